// Command gen writes api/: for each AWS service that Penstock speaks the types,
// operations, errors and constraints of the operations listed in operations.txt,
// from the service models that botocore ships. Run it as `make gen`. Documentation
// texts of the models are left out. Its output is committed and never edited.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	models := flag.String("botocore", os.Getenv("BOTOCORE"), "botocore's data folder; taken from PyPI into .cache where empty")
	list := flag.String("operations", "gen/operations.txt", "the operations to generate")
	out := flag.String("out", "api", "where the packages go")
	flag.Parse()
	log.SetFlags(0)
	if err := run(*models, *list, *out); err != nil {
		log.Fatalf("gen: %v", err)
	}
}

func run(models, list, out string) error {
	if models == "" {
		dir, err := fetchModels(".cache")
		if err != nil {
			return err
		}
		models = dir
	}
	wanted, err := readOperations(list)
	if err != nil {
		return err
	}
	for _, pkg := range services {
		ops := wanted[pkg.Name]
		delete(wanted, pkg.Name)
		m, err := loadModel(models, pkg.Model)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg.Name, err)
		}
		if err := generate(pkg, m, ops, filepath.Join(out, pkg.Name)); err != nil {
			return fmt.Errorf("%s: %w", pkg.Name, err)
		}
	}
	for pkg := range wanted {
		return fmt.Errorf("%s: no service is called %q (they are listed in gen/services.go)", list, pkg)
	}
	return nil
}

// readOperations reads "package Operation" lines.
func readOperations(path string) (map[string][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	wanted := map[string][]string{}
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		line, _, _ := strings.Cut(scan.Text(), "#")
		words := strings.Fields(line)
		switch len(words) {
		case 0:
		case 2:
			wanted[words[0]] = append(wanted[words[0]], words[1])
		default:
			return nil, fmt.Errorf("%s:%d: want \"package Operation\", got %q", path, n, line)
		}
	}
	return wanted, scan.Err()
}
