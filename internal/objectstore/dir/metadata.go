package dir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// record is the metadata file of a key.
type record struct {
	Key      string    `json:"key"` // for a human reader; the file's name is its hash
	Versions []version `json:"versions"`
}

// version belongs to the object whose content has SHA256.
type version struct {
	SHA256      string            `json:"sha256"`
	ContentType string            `json:"contentType,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

func metadataFile(key string) string {
	sum := sha256.Sum256([]byte(key))
	return keysDir + "/" + hex.EncodeToString(sum[:]) + ".json"
}

// readMetadata is never nil without an error. Two versions mean that a
// replacement is under way or was interrupted: the content decides.
func readMetadata(root *os.Root, key string) (map[string]string, error) {
	versions, err := readVersions(root, key)
	if err != nil {
		return nil, err
	}
	found := version{}
	if len(versions) == 1 {
		found = versions[0]
	} else if len(versions) > 1 {
		sum, err := hashFile(root, key)
		if err != nil {
			return nil, err
		}
		for _, v := range versions { // the later one, should both have the same content
			if v.SHA256 == sum {
				found = v
			}
		}
	}
	if found.Metadata == nil {
		return map[string]string{}, nil
	}
	return found.Metadata, nil
}

// readVersions is empty for a file that somebody else put there.
func readVersions(root *os.Root, key string) ([]version, error) {
	data, err := root.ReadFile(metadataFile(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read metadata file %s: %w", metadataFile(key), err)
	}
	return r.Versions, nil
}

func writeVersions(root *os.Root, key string, versions []version) error {
	data, err := json.Marshal(record{Key: key, Versions: versions})
	if err != nil {
		return err
	}
	f, err := createTemp(root)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	tmp := tmpDir + "/" + filepath.Base(f.Name())
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(tmp, metadataFile(key))
	}
	if err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	return syncDir(root, keysDir)
}

func hashFile(root *os.Root, key string) (string, error) {
	f, err := root.Open(key)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
