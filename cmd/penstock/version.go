package main

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"io"
	"os"
	"sync"
	"time"
)

const day = 24 * time.Hour

// version names this program: a data plane of another one is replaced, however it
// was built.
var version = sync.OnceValue(func() string {
	exe, err := os.Executable()
	if err != nil {
		return "unknown"
	}
	f, err := os.Open(exe)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, unmistakable(f)); err != nil {
		return "unknown"
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
})

// unmistakable is what tells a program from any other: the build id, which Go's linker
// makes of all that goes into it, or the whole file where it was linked without one.
// To digest the 140 MB took 120 to 250 ms, at every start of a server and of a data
// plane; the id takes a tenth of one.
func unmistakable(program *os.File) io.Reader {
	f, err := elf.NewFile(program)
	if err != nil {
		return program
	}
	id := f.Section(".note.go.buildid")
	if id == nil {
		return program
	}
	return id.Open()
}
