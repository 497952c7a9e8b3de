package ssmapi

import (
	"context"
	"encoding/json"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/ssm"
)

type tag struct{ Key, Value string }

func tagsIn(list []tag) minato.Tags {
	if len(list) == 0 {
		return nil
	}
	tags := minato.Tags{}
	for _, t := range list {
		tags[t.Key] = t.Value
	}
	return tags
}

// seconds is a time as awsJson writes it.
type seconds time.Time

// UnmarshalJSON reads seconds since 1970, or RFC 3339, as some clients write it.
func (s *seconds) UnmarshalJSON(b []byte) error {
	var number float64
	if err := json.Unmarshal(b, &number); err == nil && number >= 0 && number < 1<<40 {
		*s = seconds(time.UnixMilli(int64(number * 1000)))
		return nil
	}
	return (*time.Time)(s).UnmarshalJSON(b)
}

// MarshalJSON writes seconds since 1970.
func (s seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Time(s).UnixMilli()) / 1000)
}

type createActivationInput struct {
	IamRole, Description, DefaultInstanceName string
	RegistrationLimit                         int
	ExpirationDate                            seconds
	Tags                                      []tag
}

type createActivationOutput struct{ ActivationId, ActivationCode string }

func (a *API) createActivation(ctx context.Context, in *createActivationInput) (*createActivationOutput, error) {
	made, code, err := a.service.CreateActivation(ctx, caller(ctx), ssm.NewActivation{
		RoleName: in.IamRole, Description: in.Description, Name: in.DefaultInstanceName, Limit: in.RegistrationLimit,
		ExpiresAt: time.Time(in.ExpirationDate), Tags: tagsIn(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &createActivationOutput{made.ID, code}, nil
}

type activationID struct{ ActivationId string }

func (a *API) deleteActivation(ctx context.Context, in *activationID) (*struct{}, error) {
	return &struct{}{}, a.service.DeleteActivation(ctx, caller(ctx), in.ActivationId)
}

type page struct {
	MaxResults int
	NextToken  string
}

type activation struct {
	ActivationId, Description, DefaultInstanceName, IamRole string
	RegistrationLimit, RegistrationsCount                   int
	ExpirationDate, CreatedDate                             seconds
	Expired                                                 bool
}

type describeActivationsOutput struct{ ActivationList []activation }

// describeActivations answers all in one page: there are few.
func (a *API) describeActivations(ctx context.Context, _ *page) (*describeActivationsOutput, error) {
	all, err := a.service.Activations(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	out := &describeActivationsOutput{ActivationList: []activation{}}
	for _, v := range all {
		out.ActivationList = append(out.ActivationList, activation{
			ActivationId: v.ID, Description: v.Description, DefaultInstanceName: v.Name, IamRole: v.RoleARN.ResourceName(),
			RegistrationLimit: v.Limit, RegistrationsCount: v.Count, ExpirationDate: seconds(v.ExpiresAt), CreatedDate: seconds(v.CreatedAt),
			Expired: v.Expired(a.service.Now()),
		})
	}
	return out, nil
}

type instanceID struct{ InstanceId string }

func (a *API) deregister(ctx context.Context, in *instanceID) (*struct{}, error) {
	return &struct{}{}, a.service.Deregister(ctx, caller(ctx), in.InstanceId)
}

type instanceInformation struct {
	InstanceId, ActivationId, IamRole, Name, IPAddress string
	ResourceType, PlatformType                         string
	RegistrationDate                                   seconds
}

type describeInstancesOutput struct{ InstanceInformationList []instanceInformation }

// describeInstances answers all in one page. PingStatus is not known: there is no agent.
func (a *API) describeInstances(ctx context.Context, _ *page) (*describeInstancesOutput, error) {
	all, err := a.service.ManagedInstances(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	out := &describeInstancesOutput{InstanceInformationList: []instanceInformation{}}
	for _, v := range all {
		out.InstanceInformationList = append(out.InstanceInformationList, instanceInformation{
			InstanceId: v.ID, ActivationId: v.ActivationID, IamRole: v.RoleARN.ResourceName(), Name: v.Name, IPAddress: v.Address.String(),
			ResourceType: "ManagedInstance", PlatformType: "Linux", RegistrationDate: seconds(v.RegisteredAt),
		})
	}
	return out, nil
}
