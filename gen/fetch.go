package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// botocoreVersion pins the models: another version is another api/.
const botocoreVersion = "1.43.11"

// fetchModels brings botocore's wheel into cache with pip and unpacks the models we
// use. It answers the data folder; what is there already is used as it is.
func fetchModels(cache string) (string, error) {
	root := filepath.Join(cache, "botocore-"+botocoreVersion)
	data := filepath.Join(root, "botocore", "data")
	if _, err := os.Stat(data); err == nil {
		return data, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	pip := exec.Command("python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", cache, "botocore=="+botocoreVersion)
	pip.Stderr = os.Stderr
	if err := pip.Run(); err != nil {
		return "", fmt.Errorf("pip download botocore==%s: %w (set BOTOCORE to botocore's data folder if pip is not at hand)", botocoreVersion, err)
	}
	wheel := filepath.Join(cache, "botocore-"+botocoreVersion+"-py3-none-any.whl")
	part := root + ".part"
	if err := os.RemoveAll(part); err != nil {
		return "", err
	}
	if err := unpackModels(wheel, part); err != nil {
		return "", fmt.Errorf("unpack %s: %w", wheel, err)
	}
	return data, os.Rename(part, root)
}

func unpackModels(wheel, root string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "botocore/data/") || !strings.Contains(f.Name, "/service-2.json") || !filepath.IsLocal(f.Name) {
			continue
		}
		if err := unpackOne(f, filepath.Join(root, f.Name)); err != nil {
			return err
		}
	}
	return nil
}

func unpackOne(f *zip.File, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
