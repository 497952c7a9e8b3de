package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"minato.dev/minato/kube"
)

// Image is what an instance starts from. There is one for each built Kubernetes minor and kind of node; an image is not a record
// but follows from what is built.
type Image struct {
	ID           string // "ami-0…", the same for the same kind and patch on every machine
	Name         string // "minato-node-1.35.4"
	Description  string
	Minor        string // "1.35"
	Patch        string // "1.35.4"
	Simulated    bool   // its machines are made up by kwok and run no program
	Architecture string // x86_64 or arm64
	// CreatedAt is the day EKS released the minor; zero where it has not.
	CreatedAt time.Time
}

// ImageOwner is who owns the images, by account and by alias, as Amazon does those of EKS.
const (
	ImageOwner      = "602401143452"
	ImageOwnerAlias = "amazon"
)

// Images are those that can be launched now, by minor, oldest first, each real and then simulated.
func (s *Service) Images() []Image {
	var images []Image
	for _, v := range s.Built() {
		images = append(images, newImage(v, false), newImage(v, true))
	}
	return images
}

// ImageFor is the image of a minor ("1.35") that has been built.
func (s *Service) ImageFor(minor string, simulated bool) (Image, bool) {
	return s.image(func(i Image) bool { return i.Minor == minor && i.Simulated == simulated })
}

// ImageByID finds an image that can be launched.
func (s *Service) ImageByID(id string) (Image, bool) {
	return s.image(func(i Image) bool { return i.ID == id })
}

func (s *Service) image(is func(Image) bool) (Image, bool) {
	images := s.Images()
	if i := slices.IndexFunc(images, is); i >= 0 {
		return images[i], true
	}
	return Image{}, false
}

func newImage(v kube.Version, simulated bool) Image {
	i := Image{
		Minor: v.Minor, Patch: strings.TrimPrefix(v.Patch, "v"), Simulated: simulated, Architecture: HostArchitecture(),
		CreatedAt: v.Released.Time,
	}
	i.Name = "minato-node-" + i.Patch
	i.Description = "Minato node with Kubernetes " + i.Patch
	if simulated {
		i.Name = "minato-simulated-node-" + i.Patch
		i.Description = "Minato simulated node (kwok) with Kubernetes " + i.Patch
	}
	sum := sha256.Sum256([]byte(i.Name))
	i.ID = "ami-0" + hex.EncodeToString(sum[:8])
	return i
}
