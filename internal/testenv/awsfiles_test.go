package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestFilesOfVirtualEnvironment is an aws as pipx installs it, which is what .ci/run does: a link to a script in a virtual environment, whose
// Python is a link to the system's and whose library is there. What it is made of runs where nothing else is.
func TestFilesOfVirtualEnvironment(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("there is no python3, so that pipx cannot have installed anything")
		return
	}
	dir := t.TempDir()
	venv := filepath.Join(dir, "venvs/awscli")
	if out, err := exec.Command(python, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	packages, err := filepath.Glob(filepath.Join(venv, "lib/python3*/site-packages"))
	if err != nil || len(packages) != 1 {
		t.Fatal(packages, err)
	}
	write(t, filepath.Join(venv, "bin/aws"), "#!"+venv+"/bin/python\nimport awscli, needed, sys\nprint(awscli.name, needed.name, sys.prefix)\n")
	write(t, filepath.Join(packages[0], "awscli/__init__.py"), "import json, ssl, ctypes\nname = 'aws-cli/0'\n")
	write(t, filepath.Join(packages[0], "awscli/examples/s3.rst"), "nobody needs it")
	write(t, filepath.Join(packages[0], "botocore/data/s3/2006-03-01/paginators-1.json"), "{}")
	write(t, filepath.Join(packages[0], "botocore/data/ec2/2016-11-15/paginators-1.json"), "{}")
	write(t, filepath.Join(packages[0], "botocore/data/ec2/2016-11-15/service-2.json"), "{}")
	write(t, filepath.Join(packages[0], "needed/__init__.py"), "name = 'needed'\n")
	write(t, filepath.Join(packages[0], "other/__init__.py"), "")
	metadata(t, packages[0], "awscli", "Requires-Dist: needed\nRequires-Dist: absent ; sys_platform == 'win32'\n", "awscli/__init__.py", "awscli/examples/s3.rst", "../../../bin/aws")
	metadata(t, packages[0], "needed", "", "needed/__init__.py", "botocore/data/s3/2006-03-01/paginators-1.json",
		"botocore/data/ec2/2016-11-15/paginators-1.json", "botocore/data/ec2/2016-11-15/service-2.json")
	metadata(t, packages[0], "other", "", "other/__init__.py")
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(venv, "bin/aws"), filepath.Join(bin, "aws")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))

	program, files, err := AWSFiles("s3", "sts")
	if err != nil || program != filepath.Join(bin, "aws") {
		t.Fatalf("%s, %v", program, err)
	}
	for name, want := range map[string]bool{
		"awscli/__init__.py": true, "needed/__init__.py": true, "botocore/data/s3/2006-03-01/paginators-1.json": true, "botocore/data/ec2/2016-11-15/service-2.json": true,
		"botocore/data/ec2/2016-11-15/paginators-1.json": false, "awscli/examples/s3.rst": false, "other/__init__.py": false,
	} {
		if slices.Contains(files, filepath.Join(packages[0], name)) != want {
			t.Errorf("%s is there: want %t", name, want)
		}
	}
	if os.Getuid() != 0 {
		return // nobody else may see nothing but these files
	}
	root := t.TempDir()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, file), string(content))
	}
	elsewhere := exec.Command(program)
	elsewhere.Dir, elsewhere.Env, elsewhere.SysProcAttr = "/", []string{"HOME=/"}, &syscall.SysProcAttr{Chroot: root}
	if out, err := elsewhere.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "aws-cli/0 needed "+venv {
		t.Errorf("with nothing but its files it says %q, %v", out, err)
	}
}

// metadata makes a package one that is installed, with the files that it says it has.
func metadata(t *testing.T, packages, name, more string, files ...string) {
	t.Helper()
	info := filepath.Join(packages, name+"-1.0.dist-info")
	write(t, filepath.Join(info, "METADATA"), "Metadata-Version: 2.1\nName: "+name+"\nVersion: 1.0\n"+more)
	write(t, filepath.Join(info, "RECORD"), strings.Join(append(files, name+"-1.0.dist-info/METADATA"), ",,\n")+",,\n")
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}
