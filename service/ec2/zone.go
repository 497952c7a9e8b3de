package ec2

import (
	"strings"

	"minato.dev/minato"
)

// Zone is an availability zone.
type Zone struct {
	Name   string // "us-east-1a"
	ID     string // "use1-az1"
	Region minato.Region
}

// GroupName is what AWS calls the zone's group: that of all ordinary zones of the region.
func (z Zone) GroupName() string { return string(z.Region) + "-zg-1" }

// Zones are the three zones that every region has here. On AWS an account's zone a may be any of az1, az2 and az3; here it
// is az1.
func Zones(region minato.Region) []Zone {
	prefix := zoneIDPrefix(region)
	return []Zone{
		{string(region) + "a", prefix + "-az1", region},
		{string(region) + "b", prefix + "-az2", region},
		{string(region) + "c", prefix + "-az3", region},
	}
}

// zoneIDPrefix is a region's name as zone ids have it, such as use1, apse2 and usgw1 for us-east-1, ap-southeast-2 and
// us-gov-west-1: the first part, the initials of the directions and other words, the number.
func zoneIDPrefix(region minato.Region) string {
	parts := strings.Split(string(region), "-")
	var b strings.Builder
	for i, part := range parts {
		if i == 0 || i == len(parts)-1 || part == "" {
			b.WriteString(part)
			continue
		}
		b.WriteByte(part[0])
		for _, direction := range []string{"east", "west"} { // of southeast
			if strings.HasSuffix(part, direction) && part != direction {
				b.WriteByte(direction[0])
			}
		}
	}
	return b.String()
}
