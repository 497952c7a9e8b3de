package ec2

import (
	"strings"
	"unicode/utf8"

	"minato.dev/minato"
)

// Bounds of tags (EC2 user guide, "Tag restrictions").
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags checks tags that a user gives. Those that begin with aws: are for services, and do not count.
func checkTags(tags minato.Tags) error {
	for key, value := range tags {
		switch {
		case key == "":
			return invalid("Tag key cannot be empty")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("Tag keys starting with 'aws:' are reserved for internal use")
		case utf8.RuneCountInString(key) > maxTagKey:
			return invalid("Tag key exceeds the maximum length of %d characters", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return invalid("Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
	}
	return countTags(tags)
}

func countTags(tags minato.Tags) error {
	count := 0
	for key := range tags {
		if !strings.HasPrefix(key, "aws:") {
			count++
		}
	}
	if count > maxTags {
		return minato.Errorf(minato.LimitExceeded, "The maximum number of Tags for a resource has been reached: %d", maxTags).Because("TagLimitExceeded")
	}
	return nil
}
