package s3

import "hash"

// A hash computed beside its writer takes buffers of this many bytes, two of them.
const backgroundBytes = 256 << 10

// background computes a hash beside whoever writes to it: MD5, which every object needs and no processor helps with, takes longer than all
// else that is done to a large body. What is short is computed by Sum.
type background struct {
	hash      hash.Hash
	filling   []byte
	full      chan []byte // nil until the first buffer is full
	free      chan []byte
	done      chan struct{}
	allocated int
}

func newBackground(h hash.Hash) *background { return &background{hash: h} }

// Write takes a copy of p.
func (b *background) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		room := min(len(rest), backgroundBytes-len(b.filling))
		b.filling = append(b.filling, rest[:room]...)
		if rest = rest[room:]; len(b.filling) == backgroundBytes {
			b.handOver()
		}
	}
	return len(p), nil
}

// handOver gives the full buffer to the one who computes, and takes another.
func (b *background) handOver() {
	if b.full == nil {
		b.full, b.free, b.done = make(chan []byte, 1), make(chan []byte, 2), make(chan struct{})
		b.allocated = 1
		go func() {
			defer close(b.done)
			for buffer := range b.full {
				b.hash.Write(buffer)
				b.free <- buffer[:0]
			}
		}()
	}
	b.full <- b.filling
	if b.allocated == 1 {
		b.allocated, b.filling = 2, make([]byte, 0, backgroundBytes)
		return
	}
	b.filling = <-b.free
}

// Sum is the hash of all that has been written, after which nothing may be.
func (b *background) Sum() []byte {
	b.Stop()
	b.hash.Write(b.filling)
	return b.hash.Sum(nil)
}

// Stop ends the work beside. It may be called twice.
func (b *background) Stop() {
	if b.full != nil {
		close(b.full)
		<-b.done
		b.full = nil
	}
}
