package progress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestPlainLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := New(&out)

		etcd := p.Step("etcd")
		time.Sleep(1200 * time.Millisecond)
		etcd.Update("waiting for\na leader")
		etcd.Update("waiting for a leader")
		time.Sleep(time.Second)
		etcd.Done("127.0.0.1:2379")
		etcd.Done("again")

		demo := p.Step("cluster demo")
		time.Sleep(83 * time.Second)
		demo.Fail(errors.New("no such role"))
		p.Close()
		p.Step("afterwards").Done("")

		want := "  etcd: waiting for a leader (1.2s)\n" +
			"✓ etcd (2.2s): 127.0.0.1:2379\n" +
			"✗ cluster demo (1m23s): no such role\n" +
			"✓ afterwards (0.0s)\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
	})
}

func TestTerminal(t *testing.T) {
	master, tty := openPTY(t)
	p := New(tty)
	if p.bars == nil {
		t.Fatal("a terminal was not taken for one")
	}
	drawn := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // ends with EIO when the last descriptor of the terminal is closed
		drawn <- string(b)
	}()

	etcd, demo := p.Step("etcd"), p.Step("cluster demo")
	etcd.Done("127.0.0.1:2379")
	demo.Fail(errors.New("no such role"))
	p.Close()
	p.Step("afterwards").Done("plain")
	_ = tty.Close()

	screen := <-drawn
	for _, want := range []string{"✓ etcd (0.", "127.0.0.1:2379", "✗ cluster demo (0.", "no such role", "✓ afterwards (0.0s): plain"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the terminal never showed %q:\n%q", want, screen)
		}
	}
}

// openPTY is a terminal of 100 columns and the end that sees what is written to it.
func openPTY(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("opening a pseudo terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100})
	}
	if err != nil {
		t.Fatalf("setting up a pseudo terminal: %v", err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, tty
}
