package images

import (
	"errors"
	"path/filepath"

	"minato.dev/minato/upstream"
)

// The names and tags that the end-to-end tests of Kubernetes 1.35 use (test/utils/image in k8s.io/kubernetes).
const (
	agnhostTag = "2.59"
	agnhostOld = "2.55" // what rolling updates begin with: the same program here
	busyboxTag = "1.37.0-1"
	suitePause = "3.10.1"
)

// conformance are the images that Kubernetes' own end-to-end tests run; see `make conformance`.
func (s Sources) conformance() map[string][]recipe {
	pause := s.pause()
	pause.tags = []string{suitePause}
	return map[string][]recipe{
		"conformance/agnhost": {s.agnhost()},
		"conformance/busybox": {s.busybox()},
		"conformance/pause":   {pause},
	}
}

// agnhost is Kubernetes' program of many small servers, with the tools of this machine that tests call beside it.
func (s Sources) agnhost() recipe {
	m, _ := upstream.Lookup("pause") // of the same module
	path := filepath.Join(filepath.Dir(s.Executable), "conformance", "agnhost")
	shell, missing := shellFiles()
	return recipe{
		tags: []string{agnhostOld, agnhostTag}, version: m.Version, source: "https://" + m.Module,
		config: config("", "/agnhost", "pause"),
		layers: func() ([][]file, error) {
			curl, installed := findProgram("curl")
			if !installed {
				return nil, errors.New("curl is not installed; `apt-get install curl` does")
			}
			tools, err := withLibraries("usr/bin/curl", curl)
			own := []file{program("agnhost", path), link("agnhost-2", "agnhost"), folder("uploads", 0o755)}
			return [][]file{shell, tools, own}, err
		},
		missing: errors.Join(built(path, "`make conformance`"), missing),
	}
}

// busybox is Debian's.
func (s Sources) busybox() recipe {
	shell, missing := shellFiles()
	return recipe{
		tags: []string{busyboxTag}, version: busyboxTag, source: "https://busybox.net",
		config: config("", "/bin/sh"), layers: fixed(shell), missing: missing,
	}
}

// applets are the names that busybox goes by in images.
var applets = []string{
	"[", "arp", "awk", "base64", "basename", "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env", "expr",
	"false", "find", "free", "grep", "gzip", "head", "hostname", "id", "ifconfig", "ip", "kill", "ln", "ls", "md5sum", "mkdir", "mkfifo", "mktemp", "mount",
	"mv", "nc", "netstat", "nproc", "nslookup", "ping", "printf", "ps", "pwd", "readlink", "rm", "route", "sed", "seq", "sh", "sha256sum", "sleep",
	"sort", "stat", "stty", "su", "sync", "tail", "tar", "tee", "telnet", "test", "timeout", "top", "touch", "tr", "true", "umount", "uname", "uniq", "vi",
	"wc", "wget", "which", "whoami", "xargs", "yes",
}

// shellFiles are busybox under all its names; missing says how it is installed.
func shellFiles() (files []file, missing error) {
	path, installed := findProgram("busybox")
	if !installed {
		return nil, errors.New("busybox is not installed; `apt-get install busybox-static` does")
	}
	files = []file{folder("bin", 0o755), program("bin/busybox", path)}
	for _, name := range applets {
		files = append(files, link("bin/"+name, "busybox"))
	}
	return files, nil
}
