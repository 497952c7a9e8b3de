package images

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"time"
)

// epoch is the time of every file, so that the same programs give the same digests.
var epoch = time.Unix(0, 0)

// file is one entry of a layer. One of source, content and link says what it is; without any it is a folder.
type file struct {
	path    string // in the image, without a leading slash
	mode    int64
	source  string // path of a file of this machine
	content string
	link    string // where a symbolic link points to
}

func program(path, source string) file { return file{path: path, mode: 0o755, source: source} }
func link(path, to string) file        { return file{path: path, mode: 0o777, link: to} }
func text(path, content string) file   { return file{path: path, mode: 0o644, content: content} }
func folder(path string, mode int64) file {
	return file{path: path + "/", mode: mode}
}

// write appends the file to an archive.
func (f file) write(w *tar.Writer) error {
	header := &tar.Header{Name: f.path, Mode: f.mode, ModTime: epoch, Format: tar.FormatPAX}
	switch {
	case f.link != "":
		header.Typeflag, header.Linkname = tar.TypeSymlink, f.link
		return w.WriteHeader(header)
	case f.source == "" && f.path[len(f.path)-1] == '/':
		header.Typeflag = tar.TypeDir
		return w.WriteHeader(header)
	case f.source == "":
		return writeRegular(w, header, int64(len(f.content)), bytes.NewReader([]byte(f.content)))
	}
	source, err := os.Open(f.source)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	return writeRegular(w, header, info.Size(), source)
}

func writeRegular(w *tar.Writer, header *tar.Header, size int64, content io.Reader) error {
	header.Typeflag, header.Size = tar.TypeReg, size
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.CopyN(w, content, size)
	return err
}
