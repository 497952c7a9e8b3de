package sigv4

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Bounds of aws-chunked bodies. SDKs send chunks of 64 KiB to 1 MiB; a signed chunk is held in memory until its signature is
// known to be right, in no more memory than has come of it, whatever it says to have.
const (
	maxChunk       = 16 << 20
	maxChunkLine   = 1 << 10
	maxTrailerSize = 8 << 10
)

// chunkReader reads the content of an aws-chunked body: SIZE[;chunk-signature=…] CRLF DATA CRLF …, a chunk of no size, and
// perhaps a trailer.
type chunkReader struct {
	r       *bufio.Reader
	signer  *chunkSigner // nil where chunks are not signed
	trailer http.Header

	left     int64         // of an unsigned chunk
	verified *bytes.Reader // of a signed one
	buf      bytes.Buffer
	err      error
}

func newChunkReader(body io.Reader, trailer http.Header, signer *chunkSigner) *chunkReader {
	return &chunkReader{r: bufio.NewReaderSize(body, 64<<10), signer: signer, trailer: trailer, verified: bytes.NewReader(nil)}
}

// Read reads content.
func (c *chunkReader) Read(p []byte) (int, error) {
	for c.err == nil && c.left == 0 && c.verified.Len() == 0 {
		c.err = c.next()
	}
	switch {
	case c.verified.Len() > 0:
		return c.verified.Read(p)
	case c.err != nil:
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if c.left == 0 && err == nil {
		err = c.endOfLine()
	}
	c.err = err
	return n, nil
}

// next begins the next chunk; it returns io.EOF after the last.
func (c *chunkReader) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	hexSize, extension, _ := strings.Cut(line, ";")
	size, err := strconv.ParseUint(hexSize, 16, 63)
	if err != nil {
		return badChunk("the size of a chunk is %.20q: want a hexadecimal number", hexSize)
	}
	if c.signer == nil {
		if size == 0 {
			return c.end()
		}
		c.left = int64(size)
		return nil
	}
	signature, ok := strings.CutPrefix(extension, "chunk-signature=")
	if !ok || size > maxChunk {
		return badChunk("a chunk of %d bytes says %.100q: want chunk-signature=… and at most %d bytes", size, extension, maxChunk)
	}
	c.buf.Reset()
	if _, err := io.CopyN(&c.buf, c.r, int64(size)); err != nil {
		return unexpected(err)
	}
	data := c.buf.Bytes()
	if err := c.signer.check(data, signature); err != nil {
		return err
	}
	if size == 0 {
		return c.end()
	}
	c.verified.Reset(data)
	return c.endOfLine()
}

// end reads what comes after the last chunk: nothing, an empty line, or trailer and its signature.
func (c *chunkReader) end() error {
	var canonical strings.Builder
	signature, size := "", 0
	for {
		line, err := c.line()
		if line == "" && (err == nil || errors.Is(err, io.ErrUnexpectedEOF)) {
			break
		}
		if err != nil {
			return err
		}
		if size += len(line); size > maxTrailerSize {
			return badChunk("the trailer is larger than %d bytes", maxTrailerSize)
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return badChunk("the trailer has the line %.100q: want NAME:VALUE", line)
		}
		if name = strings.ToLower(name); name == "x-amz-trailer-signature" {
			signature = strings.TrimSpace(value)
			continue
		}
		c.trailer.Add(name, strings.TrimSpace(value))
		canonical.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	if c.signer != nil && c.signer.trailer {
		if err := c.signer.checkTrailer(canonical.String(), signature); err != nil {
			return err
		}
	}
	return io.EOF
}

func (c *chunkReader) endOfLine() error {
	line, err := c.line()
	if err == nil && line != "" {
		return badChunk("there is more in a chunk than its size says")
	}
	return err
}

// line reads up to the next line break, which it takes off.
func (c *chunkReader) line() (string, error) {
	var line []byte
	for {
		part, err := c.r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxChunkLine {
			return "", badChunk("a line is longer than %d bytes", maxChunkLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return strings.TrimRight(string(line), "\r\n"), unexpected(err)
		}
		return strings.TrimRight(string(line), "\r\n"), nil
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func badChunk(format string, args ...any) error {
	return incomplete("The aws-chunked body cannot be read: "+format, args...)
}
