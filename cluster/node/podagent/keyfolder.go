package podagent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"minato.dev/minato/internal/sigv4"
)

// The files of a key in a folder, as a Secret in a volume has them.
const (
	keyIDFile  = "aws-access-key-id"
	secretFile = "aws-secret-access-key"
	// keyReread is how long a key is used before the files are read again: a Secret may have changed.
	keyReread = time.Minute
	maxKey    = 4 << 10 // bytes of a file
)

// FolderKey gets the agent's own key from files, on nodes that have no metadata service.
func FolderKey(dir string) func(context.Context) (Key, error) {
	return func(context.Context) (Key, error) {
		id, err := readLine(filepath.Join(dir, keyIDFile))
		if err != nil {
			return Key{}, err
		}
		secret, err := readLine(filepath.Join(dir, secretFile))
		if err != nil {
			return Key{}, err
		}
		return Key{sigv4.Key{AccessKeyID: id, SecretAccessKey: secret}, time.Now().Add(keyLifeMargin + keyReread)}, nil
	}
}

func readLine(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was read only
	b, err := io.ReadAll(io.LimitReader(f, maxKey))
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(b))
	if line == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return line, nil
}
