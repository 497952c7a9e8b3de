// Package insights finds out what would go wrong in a cluster that is upgraded, or rolled back, and writes it into the records that
// ListInsights reads.
//
// Ingest reads the audit log of every cluster and counts who calls which API that ends. Controller makes the checks: each is a
// function from what is known of a cluster to findings, and checks.go lists them.
package insights
