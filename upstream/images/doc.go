// Package images packs the programs that are built here into OCI images: what the nodes of a cluster run before anybody has
// pushed anything.
//
// An image is described by the files that are in it. Its layers are uncompressed tar streams, written out of the built programs
// whenever somebody asks for one: there is no second copy on disk, and the same programs give the same digests.
package images
