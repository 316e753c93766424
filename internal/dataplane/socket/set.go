package socket

import (
	"errors"
	"os"
	"sync"
)

// Held is a listening socket with the namespace it was made in.
type Held struct {
	Key   Key
	Inode uint64
	File  *os.File
}

// Set is the sockets that a process keeps open. What serves a socket works on a
// duplicate, so that it can stop without the socket being closed.
type Set struct {
	ns Namespaces

	mu   sync.Mutex
	held map[Key]Held
	subs map[chan Change]bool
}

// Change tells a holder that a socket was opened, or is Gone.
type Change struct {
	Held
	Gone bool
}

// NewSet starts with the sockets adopted from another process.
func NewSet(ns Namespaces, adopted []Held) *Set {
	s := &Set{ns: ns, held: map[Key]Held{}, subs: map[chan Change]bool{}}
	for _, h := range adopted {
		if old, ok := s.held[h.Key]; ok {
			old.File.Close()
		}
		s.held[h.Key] = h
	}
	return s
}

// Want opens what is missing and closes what is not wanted. Fresh are the keys
// whose socket is a new one; failed ones are left out and told in the error.
func (s *Set) Want(keys []Key) (fresh []Key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make(map[Key]bool, len(keys))
	var errs []error
	for _, k := range keys {
		wanted[k] = true
		isNew, err := s.ensure(k)
		if err != nil {
			errs = append(errs, err)
		} else if isNew {
			fresh = append(fresh, k)
		}
	}
	for k := range s.held {
		if !wanted[k] {
			s.drop(k)
		}
	}
	return fresh, errors.Join(errs...)
}

func (s *Set) ensure(k Key) (isNew bool, err error) {
	inode, err := s.ns.Inode(k.Place)
	if err != nil {
		return false, err
	}
	if h, ok := s.held[k]; ok {
		if h.Inode == inode {
			return false, nil
		}
		s.drop(k) // the namespace was made anew: the old socket hears nobody
	}
	f, err := s.ns.open(k)
	if err != nil {
		return false, err
	}
	h := Held{k, inode, f}
	s.held[k] = h
	s.tell(Change{Held: h})
	return true, nil
}

func (s *Set) drop(k Key) {
	h := s.held[k]
	delete(s.held, k)
	s.tell(Change{Held: Held{Key: k}, Gone: true})
	h.File.Close()
}

// Get is the socket of k; ok is false if it is not open.
func (s *Set) Get(k Key) (h Held, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok = s.held[k]
	return h, ok
}

// Follow gives all sockets now and the changes from then on. The files of the
// changes are duplicates that the follower closes.
func (s *Set) Follow() (now []Held, changes <-chan Change, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if d, err := dup(h); err == nil {
			now = append(now, d)
		}
	}
	c := make(chan Change, 1024)
	s.subs[c] = true
	return now, c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.subs[c] {
			delete(s.subs, c)
			close(c)
		}
	}
}

// tell never waits: a follower that fell 1,024 changes behind is cut off and
// starts anew with the whole set.
func (s *Set) tell(ch Change) {
	for c := range s.subs {
		own := ch
		if !ch.Gone {
			d, err := dup(ch.Held)
			if err != nil {
				continue
			}
			own.Held = d
		}
		select {
		case c <- own:
		default:
			delete(s.subs, c)
			close(c)
		}
	}
}

// Close closes every socket of this process; duplicates elsewhere live on.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, h := range s.held {
		delete(s.held, k)
		h.File.Close()
	}
	for c := range s.subs {
		delete(s.subs, c)
		close(c)
	}
}

func dup(h Held) (Held, error) {
	fd, err := dupFD(h.File)
	if err != nil {
		return Held{}, err
	}
	return Held{h.Key, h.Inode, os.NewFile(fd, h.Key.String())}, nil
}
