package objectstore

import (
	"fmt"
	"io"
	"os"
)

// Contents are an open object's bytes.
type Contents struct {
	store  *Store
	pieces []piece
	closed bool
}

type piece struct {
	Extent
	data []byte // where it lay in the index
}

// WriteRange writes length bytes from an offset on.
func (c *Contents) WriteRange(w io.Writer, offset, length int64) error {
	buf := make([]byte, min(length, copyBytes))
	for i := range c.pieces {
		p := &c.pieces[i]
		if length <= 0 {
			return nil
		}
		if offset >= p.Size {
			offset -= p.Size
			continue
		}
		n := min(length, p.Size-offset)
		if err := c.writePiece(w, p, offset, n, buf); err != nil {
			return err
		}
		offset, length = 0, length-n
	}
	if length > 0 {
		return fmt.Errorf("%w: %d bytes are missing", ErrContentsDiffer, length)
	}
	return nil
}

func (c *Contents) writePiece(w io.Writer, p *piece, offset, length int64, buf []byte) error {
	if p.Inline {
		if int64(len(p.data)) != p.Size {
			return ErrContentsDiffer
		}
		_, err := w.Write(p.data[offset : offset+length])
		return err
	}
	f, err := os.Open(c.store.path(p.Blob))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was read only
	n, err := io.CopyBuffer(onlyWriter{w}, io.NewSectionReader(f, offset, length), buf)
	if err == nil && n != length {
		return fmt.Errorf("%w: %d of %d bytes", ErrContentsDiffer, n, length)
	}
	return err
}

// Close lets the contents go.
func (c *Contents) Close() {
	if c.closed {
		return
	}
	c.closed = true
	var blobs []string
	for _, p := range c.pieces {
		if !p.Inline {
			blobs = append(blobs, p.Blob)
		}
	}
	c.store.unpin(blobs)
}
