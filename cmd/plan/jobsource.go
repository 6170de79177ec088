package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"plan/internal/source/detect"
)

// source finds out what SOURCE is, and what it is called.
func (j *jobRun) source() error {
	if j.flags.Source == "" {
		image := j.imageFlag()
		if image == "" {
			return errors.New("there is nothing to run: name a source, or an image with --image")
		}
		j.name = dnsName(imageName(image))
		return nil
	}
	found, err := detect.Detect(j.flags.Source, detect.Options{})
	if err != nil {
		return fmt.Errorf("SOURCE: %w", err)
	}
	var value any
	switch found.Kind {
	case detect.Directory:
		value, j.name = map[string]any{"path": found.Path}, pathName(found.Path)
	case detect.Git:
		value, j.name = map[string]any{"url": found.URL.String()}, found.URL.Name()
	case detect.Dockerfile:
		value, j.name = map[string]any{"path": found.Path}, dockerfileName(found.Path)
	default:
		value, j.name = found.Image.String(), imageName(found.Image.String())
	}
	j.with["source"] = map[string]any{string(found.Kind): value}
	j.name = dnsName(j.name)
	return nil
}

// pathName is what a folder is called, also when it is the working directory.
func pathName(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	return filepath.Base(path)
}

// dockerfileName is what a Dockerfile is called: as its folder, unless the file has a name of its own.
func dockerfileName(path string) string {
	if base := strings.ToLower(filepath.Base(path)); base != "dockerfile" && base != "containerfile" {
		return strings.TrimPrefix(strings.TrimSuffix(base, ".dockerfile"), "dockerfile.")
	}
	return pathName(filepath.Dir(path))
}

// imageName is the last part of an image's name, without tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndexByte(image, '/')+1:]
	image, _, _ = strings.Cut(image, ":")
	return image
}

// imageFlag is --image, under either of its names.
func (j *jobRun) imageFlag() string {
	for i, f := range j.fields {
		if v := j.values[i]; f.flag == "image" && !v.IsZero() {
			return v.Elem().String()
		}
	}
	if p := j.flags.BaseImage; p != nil {
		return *p
	}
	return ""
}
