package vpc

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen opens a listener in the VPC.
func (n *network) listen(ctx context.Context, addr string) (l net.Listener, err error) {
	err = In(Namespace(n.c.c.Home, n.id), func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", addr)
		return err
	})
	return l, err
}

// setMark marks the packets of a socket, for the firewall to know whose they are.
func setMark(c syscall.RawConn, mark uint32) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	})
	return errors.Join(err, failed)
}
