// Package reconcile makes records true: a Controller watches records in the store and calls a function with the key of each
// one that is new, has changed or is gone; the function looks at what is and does what is missing.
//
// The function is told a key and never what happened to it. It reads the record, so it always works on the newest, and it
// may be called any number of times. A key is never worked on twice at once; what changes meanwhile brings it back once
// more. A key that fails comes back after a time that doubles.
//
// Larger reconcilers are written as a list of small steps over one object, with one commit at the end, and tell about
// themselves in Conditions.
package reconcile
