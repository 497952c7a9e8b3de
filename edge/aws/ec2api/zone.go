package ec2api

import (
	"context"

	"minato.dev/minato/service/ec2"
)

type describeAvailabilityZonesInput struct {
	describeInput
	ZoneName []string
	ZoneID   []string `query:"ZoneId"`
}

type describeAvailabilityZonesOutput struct {
	Zones []zone `query:"availabilityZoneInfo"`
}

type zone struct {
	Name               string     `query:"zoneName"`
	ID                 string     `query:"zoneId"`
	State              string     `query:"zoneState"`
	Type               string     `query:"zoneType"`
	RegionName         string     `query:"regionName"`
	GroupName          string     `query:"groupName"`
	NetworkBorderGroup string     `query:"networkBorderGroup"`
	OptInStatus        string     `query:"optInStatus"`
	Messages           []struct{} `query:"messageSet"`
}

func (h handlers) describeAvailabilityZones(ctx context.Context, in *describeAvailabilityZonesInput) (*describeAvailabilityZonesOutput, error) {
	page, err := h.service.DescribeZones(ctx, caller(ctx), in.asked(in.ZoneName), in.ZoneID)
	if err != nil {
		return nil, err
	}
	return &describeAvailabilityZonesOutput{Zones: each(page.Items, func(z ec2.Zone) zone {
		return zone{
			Name: z.Name, ID: z.ID, State: "available", Type: "availability-zone", RegionName: string(z.Region),
			GroupName: z.GroupName(), NetworkBorderGroup: string(z.Region), OptInStatus: "opt-in-not-required", Messages: []struct{}{},
		}
	})}, nil
}
