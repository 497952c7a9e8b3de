// Package addon makes the records of add-ons true: it applies their objects to the clusters, as the field manager "eks", watches
// what they run, and takes them away. The add-ons that a new cluster comes with are applied here too, once; afterwards they are
// their owner's. What add-ons are made of is in package catalogue.
package addon
