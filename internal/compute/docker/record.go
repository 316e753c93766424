package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/compute/course"
)

// record is what this package remembers of a pod, in a file of the pod's folder.
// It is needed because the labels of a pause container kept ready can not name
// its pod, and because after a reboot the Engine alone can not tell a pod that
// was stopped from one that was lost. It holds no environment: no secrets.
type record struct {
	Pod, Owner, Interface, Tag string
	Hostname                   string `json:",omitzero"`
	Stage                      course.Stage
	Reason                     string     `json:",omitzero"`
	Address                    netip.Addr `json:",omitzero"`
	Containers                 []course.Member
	Ended                      map[string]compute.ContainerStatus `json:",omitzero"` // those that have ended, as they were
	// Grace is what Stop was called with, in seconds; nil while nobody did.
	Grace *int `json:",omitzero"`
}

func (b *Backend) podFolder(pod string) string { return filepath.Join(b.cfg.Data, "pods", pod) }

func (b *Backend) volume(pod, name string) string {
	return filepath.Join(b.podFolder(pod), "volumes", name)
}

func (b *Backend) readRecord(pod string) (record, bool, error) {
	var r record
	body, err := os.ReadFile(filepath.Join(b.podFolder(pod), "pod.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("docker: reading the record of pod %s: %w", pod, err)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, false, fmt.Errorf("docker: the record of pod %s is damaged: %w", pod, err)
	}
	return r, true, nil
}

// writeRecord replaces the file whole; the pod's folder is there, or the pod is
// not. It is not synced: after a power cut no container runs, and a pod without a
// record is removed as if it had not been made.
func (b *Backend) writeRecord(r record) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("docker: encoding the record of pod %s: %w", r.Pod, err)
	}
	dir := b.podFolder(r.Pod)
	tmp := filepath.Join(dir, "pod.json.new")
	if err := os.WriteFile(tmp, body, 0o600); err != nil {
		return fmt.Errorf("docker: writing the record of pod %s: %w", r.Pod, err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "pod.json")); err != nil {
		return fmt.Errorf("docker: writing the record of pod %s: %w", r.Pod, err)
	}
	return nil
}

// recorded lists the pods that have a folder.
func (b *Backend) recorded() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(b.cfg.Data, "pods"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("docker: listing pods' folders: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func newRecord(p compute.Pod) record {
	r := record{Pod: p.Name, Owner: p.Owner, Interface: p.Interface, Tag: p.Tag, Hostname: p.Hostname, Stage: course.Making}
	for _, c := range p.Containers {
		r.Containers = append(r.Containers, course.Member{
			Name: c.Name, Essential: c.Essential, After: c.After, Grace: int(c.StopTimeout.Seconds()),
		})
	}
	return r
}
