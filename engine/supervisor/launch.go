package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// markerVar is the variable in every child's environment that says whose it is: <supervisor id>/<nonce>/<name>.
const markerVar = "MINATO_PROCESS"

// ErrProgram is the error of a process whose program is not there, or cannot be run. Starting it again does not help until
// somebody puts another in its place.
var ErrProgram = errors.New("the program cannot be run")

// programErrors are what an exec answers about the program itself.
var programErrors = []error{unix.ENOENT, unix.EACCES, unix.ENOEXEC, unix.EISDIR}

// launch starts the process of a spec as our child.
//
// The order in which Go's child does things between fork and exec (syscall.forkAndExecInChild1) shapes this: setsid, setuid,
// chdir, then the descriptors are moved to their places, then exec. So chdir and exec happen as the new user, who may not be
// able to reach either path: both are opened here and named /proc/self/fd/N there. Descriptors marked close-on-exec, as all of
// Go's are, are still open at the exec itself, and are gone in the program. There is no Pdeathsig: the child outlives us.
func launch(spec Spec, marker string) (*child, error) {
	files, err := openFiles(spec)
	if err != nil {
		return nil, err
	}
	defer files.close()
	pidfd := -1
	attr := &os.ProcAttr{
		Dir:   procFD(files.dir),
		Env:   environ(spec.Env, marker),
		Files: append([]*os.File{files.stdin, files.log, files.log}, files.streams...),
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	}
	start := os.StartProcess
	if spec.UID != 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: spec.UID, Gid: spec.UID}
		start = startUnprivileged
	}
	p, err := start(procFD(files.program), spec.Args, attr)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // the path in the error is /proc/self/fd/N, which tells nobody anything
		}
		if slices.ContainsFunc(programErrors, func(errno error) bool { return errors.Is(err, errno) }) {
			err = fmt.Errorf("%w: %w", ErrProgram, err)
		}
		return nil, fmt.Errorf("starting %s: %w", spec.Path, err)
	}
	return watchOwn(p, pidfd)
}

// watchOwn watches a child of our own. Should that fail, the child does not live.
func watchOwn(p *os.Process, pidfd int) (*child, error) {
	id, err := identify(p.Pid)
	if err != nil {
		_ = unix.Close(pidfd)
	} else {
		var c *child
		if c, err = watch(id, pidfd, time.Now(), reaper(p)); err == nil {
			return c, nil
		}
	}
	_ = p.Kill()
	_, _ = p.Wait()
	return nil, err
}

// reaper collects the exit status of a child that has ended.
func reaper(p *os.Process) func() string {
	return func() string {
		st, err := p.Wait()
		if err != nil {
			return "unknown (" + err.Error() + ")"
		}
		return st.String()
	}
}

// startUnprivileged starts a process that can never gain privileges again, not through setuid programs or file capabilities
// either. The kernel hands no_new_privs down from the thread that forks, and a thread cannot put it off: so the thread is
// one of its own, which ends with its goroutine because that never unlocks it. Capabilities need nothing: the kernel empties
// the permitted, effective and ambient sets when setuid leaves uid 0.
func startUnprivileged(name string, argv []string, attr *os.ProcAttr) (p *os.Process, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			p, err = os.StartProcess(name, argv, attr)
		}
	}()
	<-done
	return p, err
}

// environ is the environment with our marker in it, and nobody else's: a supervisor may be a child of another one's.
func environ(env []string, marker string) []string {
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		if !strings.HasPrefix(kv, markerVar+"=") {
			out = append(out, kv)
		}
	}
	return append(out, markerVar+"="+marker)
}

// openedFiles is what a child is started with.
type openedFiles struct {
	program, dir *os.File
	stdin, log   *os.File
	streams      []*os.File
}

func (f *openedFiles) close() {
	for _, file := range append([]*os.File{f.program, f.dir, f.stdin, f.log}, f.streams...) {
		_ = file.Close() // nil files answer with an error
	}
}

// openFiles opens all that a child needs.
//
// Go's child puts its files at 0, 1, 2, 3, …, and uses numbers above the highest of them on the way. The program and the
// folder are known by number until the exec, so these two must lie out of the way of both: at or above the number of files
// and below one of them, the log.
func openFiles(spec Spec) (_ *openedFiles, err error) {
	f := &openedFiles{}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.stdin, err = os.Open(os.DevNull); err != nil {
		return nil, err
	}
	for _, path := range spec.Streams {
		s, err := openLog(path)
		if err != nil {
			return nil, err
		}
		f.streams = append(f.streams, s)
		if spec.UID != 0 {
			if err := s.Chown(int(spec.UID), int(spec.UID)); err != nil {
				return nil, err
			}
		}
	}
	files := 3 + len(spec.Streams)
	if f.program, err = openProgram(spec.Path, files); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProgram, err)
	}
	dir := spec.Dir
	if dir == "" {
		dir = "/"
	}
	if f.dir, err = openAt(dir, unix.O_PATH|unix.O_DIRECTORY, files); err != nil {
		return nil, err
	}
	log, err := openLog(spec.Log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	f.log, err = moveTo(log, int(max(f.program.Fd(), f.dir.Fd()))+1)
	return f, err
}

// openProgram opens an executable. A script is refused: its interpreter would be told to read /proc/self/fd/N, and the exec
// has closed that.
func openProgram(path string, minFD int) (*os.File, error) {
	if f, err := os.Open(path); err == nil {
		head := make([]byte, 2)
		_, err := io.ReadFull(f, head)
		_ = f.Close()
		if err == nil && string(head) == "#!" {
			return nil, fmt.Errorf("%s is a script; run its interpreter with the script as an argument", path)
		}
	}
	return openAt(path, unix.O_PATH, minFD)
}

// openAt opens path on a descriptor that is at least minFD.
func openAt(path string, flags, minFD int) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return moveTo(f, minFD)
}

func moveTo(f *os.File, minFD int) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, minFD)
	if err != nil {
		return nil, &os.PathError{Op: "dup", Path: f.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func procFD(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// openLog opens a file that a process may append to, made with its folders if it is not there. It follows no link and takes
// no pipe, because what a child can write to may lie in a folder that the child can change.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, err
	}
	if err := mustBeRegular(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func mustBeRegular(f *os.File) error {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Name())
	}
	return err
}
