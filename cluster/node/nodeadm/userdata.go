package nodeadm

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// MaxUserData is how long user data may be, in bytes, as at EC2.
	MaxUserData = 16 << 10
	// maxUnpacked bounds what compressed user data unpacks to.
	maxUnpacked = 256 << 10
	// maxParts bounds the parts of MIME user data.
	maxParts = 32
	// partType is the media type of a part that holds a NodeConfig.
	partType = "application/node.eks.aws"
	boundary = "//"
)

// Parse reads user data: a NodeConfig as plain YAML, or MIME multi-part with at least one part of the type
// application/node.eks.aws; several are merged in their order. Either may be compressed with gzip, as cloud-init allows. A part
// of another type, such as a shell script, is refused: nothing would run it. The error is of the kind Invalid.
func Parse(userData []byte) (NodeConfig, error) {
	if len(userData) > MaxUserData {
		return NodeConfig{}, invalid("user data is limited to %d bytes", MaxUserData)
	}
	userData, err := unpack(userData)
	if err != nil {
		return NodeConfig{}, err
	}
	if !isMIME(userData) {
		return parseDocument(userData)
	}
	return parseMIME(userData)
}

func unpack(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, invalid("the gzip of the user data is broken: %v", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err != nil {
		return nil, invalid("the gzip of the user data is broken: %v", err)
	}
	if len(out) > maxUnpacked {
		return nil, invalid("user data unpacks to more than %d bytes", maxUnpacked)
	}
	return out, nil
}

// Multipart is whether user data, which may be compressed, is MIME multi-part.
func Multipart(userData []byte) bool {
	userData, err := unpack(userData)
	return err == nil && isMIME(userData)
}

// isMIME is whether the first line is a header of a MIME message.
func isMIME(b []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimLeft(b, " \t\r\n"), []byte("\n"))
	line = bytes.ToLower(line)
	return bytes.HasPrefix(line, []byte("mime-version:")) || bytes.HasPrefix(line, []byte("content-type:"))
}

func parseMIME(b []byte) (c NodeConfig, err error) {
	message, err := mail.ReadMessage(bytes.NewReader(bytes.TrimLeft(b, " \t\r\n")))
	if err != nil {
		return c, invalid("user data is not a MIME message: %v", err)
	}
	mediaType, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return c, invalid("the content type of the user data: %v", err)
	}
	if mediaType == partType {
		return parsePart(message.Body, message.Header.Get("Content-Transfer-Encoding"))
	}
	if !strings.HasPrefix(mediaType, "multipart/") {
		return c, refusedPart(mediaType)
	}
	parts := multipart.NewReader(message.Body, params["boundary"])
	found := 0
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, invalid("user data is broken MIME: %v", err)
		}
		if n == maxParts {
			return c, invalid("user data has more than %d parts", maxParts)
		}
		mediaType, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || mediaType != partType {
			return c, refusedPart(part.Header.Get("Content-Type"))
		}
		next, err := parsePart(part, part.Header.Get("Content-Transfer-Encoding"))
		if err != nil {
			return c, err
		}
		c = c.Merge(next)
		found++
	}
	if found == 0 {
		return c, invalid("user data has no part of the type %s", partType)
	}
	return c, nil
}

func refusedPart(mediaType string) error {
	return invalid("user data has a part of the type %q: Minato's nodes read %s and run nothing else", mediaType, partType)
}

func parsePart(r io.Reader, encoding string) (NodeConfig, error) {
	switch strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary":
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	default:
		return NodeConfig{}, invalid("user data has a part in the encoding %q: 7bit, 8bit, binary and base64 are read", encoding)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxUnpacked))
	if err != nil {
		return NodeConfig{}, invalid("user data has a broken part: %v", err)
	}
	return parseDocument(b)
}

// Render writes user data with this NodeConfig, as managed nodegroups on Amazon Linux 2023 do. Parse reads it back.
func Render(c NodeConfig) ([]byte, error) {
	body, err := yaml.Marshal(document{APIVersion: apiVersion, Kind: kind, Spec: spec{
		Cluster: cluster{
			Name: c.Cluster.Name, APIServerEndpoint: c.Cluster.APIServerEndpoint,
			CertificateAuthority: encodeCA(c.Cluster.CertificateAuthority), CIDR: c.Cluster.CIDR,
		},
		Kubelet: kubelet(c.Kubelet),
	}})
	if err != nil {
		return nil, invalid("kubelet config cannot be written: %v", err)
	}
	var b bytes.Buffer
	b.WriteString("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n")
	b.WriteString("--" + boundary + "\nContent-Type: " + partType + "\n\n---\n")
	b.Write(body)
	b.WriteString("\n--" + boundary + "--\n")
	if b.Len() > MaxUserData {
		return nil, invalid("user data is limited to %d bytes, this one has %d", MaxUserData, b.Len())
	}
	return b.Bytes(), nil
}
