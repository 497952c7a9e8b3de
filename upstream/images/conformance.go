package images

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"minato.dev/minato/upstream"
)

// suiteTags are the images that the conformance tests of Kubernetes 1.35 run, with the tags that they ask for (test/utils/image in
// k8s.io/kubernetes).
var suiteTags = map[string][]string{
	"agnhost":          {"2.55", "2.59"}, // rolling updates begin with the first: the same program here
	"busybox":          {"1.37.0-1"},
	"etcd":             {"3.6.6-0"},
	"jessie-dnsutils":  {"1.7"},
	"nautilus":         {"1.7"},
	"nginx":            {"1.14-4", "1.15-4"},
	"nonewprivs":       {"1.3"},
	"pause":            {"3.10.1"},
	"sample-apiserver": {"1.29.2"},
}

// conformance are the images that Kubernetes' own end-to-end tests run; see `make conformance`.
func (s Sources) conformance() map[string][]recipe {
	all := map[string][]recipe{}
	for name, r := range map[string]recipe{
		"agnhost": s.agnhost(v1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}}),
		"busybox": s.busybox(),
		"etcd":    s.suiteProgram("server", "usr/local/bin/etcd", 0o755, v1.Config{Entrypoint: []string{"/usr/local/bin/etcd"}}),
		// What tests want of Debian's dnsutils is among the tools beside agnhost.
		"jessie-dnsutils": s.agnhost(v1.Config{}),
		"nautilus":        s.agnhost(v1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"test-webserver"}}, "data.json", "nautilus.jpg"),
		// Tests want any web server of it.
		"nginx":            s.agnhost(v1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"netexec", "--http-port=80"}}),
		"nonewprivs":       s.suiteProgram("nonewprivs", "usr/local/bin/nnp", 0o6755, v1.Config{Cmd: []string{"nnp"}}),
		"pause":            s.pause(),
		"sample-apiserver": s.suiteProgram("sample-apiserver", "sample-apiserver", 0o755, v1.Config{Entrypoint: []string{"/sample-apiserver"}}),
	} {
		r.tags = suiteTags[name]
		r.config.Env, r.config.WorkingDir = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "/"
		all["conformance/"+name] = []recipe{r}
	}
	return all
}

// suitePath is a file that `make conformance` builds, or takes out of the module.
func (s Sources) suitePath(name string) string {
	return filepath.Join(filepath.Dir(s.Executable), "conformance", name)
}

func (s Sources) suiteBuilt(names ...string) error {
	var missing error
	for _, name := range names {
		missing = errors.Join(missing, built(s.suitePath(name), "`make conformance`"))
	}
	return missing
}

// suiteProgram is an image of one program.
func (s Sources) suiteProgram(name, path string, mode int64, config v1.Config) recipe {
	m, _ := upstream.Lookup("pause") // of the same module
	p := program(path, s.suitePath(name))
	p.mode = mode
	return recipe{version: m.Version, source: "https://" + m.Module, config: config, layers: fixed([]file{p}), missing: s.suiteBuilt(name)}
}

// porter are the files that agnhost serves TLS with.
var porter = []string{"localhost.crt", "localhost.key"}

// agnhost is Kubernetes' program of many small servers, with the tools of this machine that tests call beside it, and other files.
func (s Sources) agnhost(config v1.Config, others ...string) recipe {
	r := s.suiteProgram("agnhost", "agnhost", 0o755, config)
	shell, noShell := shellFiles()
	own := []file{
		program("agnhost", s.suitePath("agnhost")), link("agnhost-2", "agnhost"), folder("uploads", 0o755),
		link("bin/sh", "bash"), // busybox's takes its own programs, whatever lies in /bin
		text("etc/passwd", basePasswd+"user-defined-in-image:x:1000:1000::/home:/bin/sh\n"),
		text("etc/group", baseGroup+"user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n"),
	}
	others = slices.Concat(others, porter)
	for _, name := range others {
		own = append(own, file{path: name, mode: 0o644, source: s.suitePath(name)})
	}
	r.layers = func() ([][]file, error) {
		tools, err := toolFiles(suiteTools)
		return [][]file{shell, tools, own}, err
	}
	r.missing = errors.Join(r.missing, s.suiteBuilt(others...), noShell, missingTools(suiteTools))
	return r
}

// tool is a program of this machine: its name in images, here, and the package of Debian that has it.
type tool struct{ name, program, debian string }

// suiteTools are the programs that tests call in agnhost, and the packages of Debian that have them. nc is OpenBSD's: busybox has none
// that sends datagrams.
var suiteTools = []tool{
	{"bash", "bash", "bash"}, {"curl", "curl", "curl"}, {"dig", "dig", "bind9-dnsutils"}, {"getent", "getent", "libc-bin"}, {"nc", "nc.openbsd", "netcat-openbsd"},
}

// missingTools says how those that are not there are installed.
func missingTools(tools []tool) (missing error) {
	for _, tool := range tools {
		if _, installed := findProgram(tool.program); !installed {
			missing = errors.Join(missing, fmt.Errorf("%s is not installed; `apt-get install %s` does", tool.program, tool.debian))
		}
	}
	return missing
}

// toolFiles are those, in the place of busybox's.
func toolFiles(tools []tool) (files []file, err error) {
	seen := map[string]bool{}
	for _, tool := range tools {
		path, _ := findProgram(tool.program)
		needed, err := withLibraries("bin/"+tool.name, path)
		if err != nil {
			return nil, err
		}
		for _, f := range needed {
			if !seen[f.path] {
				files = append(files, f)
			}
			seen[f.path] = true
		}
	}
	return files, nil
}

// busybox is Debian's, whose shell drops variables that a script could not name, where that of the release that tests are made for keeps them.
// Who looks for sh along the PATH finds bash, which keeps them too; /bin/sh is busybox's, whose very words a test waits for.
func (s Sources) busybox() recipe {
	bash := suiteTools[:1]
	shell, missing := shellFiles()
	r := recipe{version: suiteTags["busybox"][0], source: "https://busybox.net", config: v1.Config{Cmd: []string{"sh"}}}
	r.layers = func() ([][]file, error) {
		files, err := toolFiles(bash)
		return [][]file{shell, append(files, folder("usr", 0o755), folder("usr/bin", 0o755), link("usr/bin/sh", "/bin/bash"))}, err
	}
	r.missing = errors.Join(missing, missingTools(bash))
	return r
}

// applets are the names that busybox goes by in images.
var applets = []string{
	"[", "arp", "awk", "base64", "basename", "cat", "chgrp", "chmod", "chown", "chroot", "clear", "cmp", "cp", "cpio", "cut", "date", "dc",
	"dd", "df", "diff", "dirname", "dmesg", "dnsdomainname", "dos2unix", "du", "echo", "egrep", "env", "expand", "expr", "factor", "false",
	"fgrep", "find", "fold", "free", "getopt", "grep", "groups", "gunzip", "gzip", "head", "hexdump", "hostid", "hostname", "id", "ifconfig",
	"ip", "kill", "killall", "less", "link", "ln", "logger", "ls", "md5sum", "mkdir", "mkfifo", "mknod", "mktemp", "more", "mount", "mv",
	"nc", "netstat", "nproc", "nsenter", "nslookup", "od", "paste", "patch", "pidof", "ping", "printf", "ps", "pwd", "readlink", "realpath",
	"renice", "reset", "rev", "rm", "rmdir", "route", "sed", "seq", "sh", "sha1sum", "sha256sum", "sha512sum", "shuf", "sleep", "sort",
	"stat", "strings", "stty", "su", "sync", "sysctl", "tac", "tail", "tar", "taskset", "tee", "telnet", "test", "timeout", "top", "touch",
	"tr", "traceroute", "true", "truncate", "tty", "umount", "uname", "unexpand", "uniq", "unlink", "unshare", "uptime", "usleep", "vi", "w",
	"watch", "wc", "wget", "which", "who", "whoami", "xargs", "xxd", "yes", "zcat",
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
