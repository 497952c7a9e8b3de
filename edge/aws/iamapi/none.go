package iamapi

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// What an account and a user can have on AWS and never have here. Clients ask for it all the same: before they delete a user, say.

// listAccountAliases answers with none: an account's alias is a name for AWS's own console.
func (h handlers) listAccountAliases(ctx context.Context, _ *pageInput) (*listAccountAliasesOutput, error) {
	_, err := h.allow(ctx, minato.ARN{})
	return &listAccountAliasesOutput{AccountAliases: []string{}}, err
}

type listAccountAliasesOutput struct {
	AccountAliases []string
	pageOutput
}

func (h handlers) getAccountPasswordPolicy(ctx context.Context, _ *struct{}) (*struct{}, error) {
	account, err := h.allow(ctx, minato.ARN{})
	if err != nil {
		return nil, err
	}
	return nil, noSuchEntity("The Password Policy with domain name %s cannot be found.", account)
}

func noSuchEntity(format string, args ...any) error {
	return minato.Errorf(minato.NotFound, format, args...).Because(iam.NoSuchEntity)
}

type listSAMLProvidersOutput struct{ SAMLProviderList []struct{} }

func (h handlers) listSAMLProviders(ctx context.Context, _ *struct{}) (*listSAMLProvidersOutput, error) {
	_, err := h.allow(ctx, minato.ARN{})
	return &listSAMLProvidersOutput{SAMLProviderList: []struct{}{}}, err
}

type listServerCertificatesOutput struct {
	ServerCertificateMetadataList []struct{}
	pageOutput
}

func (h handlers) listServerCertificates(ctx context.Context, in *listInput) (*listServerCertificatesOutput, error) {
	_, err := h.allowList(ctx, "server-certificate", in.PathPrefix)
	return &listServerCertificatesOutput{ServerCertificateMetadataList: []struct{}{}}, err
}

type listVirtualMFADevicesOutput struct {
	VirtualMFADevices []struct{}
	pageOutput
}

func (h handlers) listVirtualMFADevices(ctx context.Context, _ *pageInput) (*listVirtualMFADevicesOutput, error) {
	_, err := h.allowList(ctx, "mfa", "")
	return &listVirtualMFADevicesOutput{VirtualMFADevices: []struct{}{}}, err
}

// userThere asks whether the caller may ask about a user, who is the caller where none is named, and whether there is such a user.
func (h handlers) userThere(ctx context.Context, userName string) (name string, err error) {
	if name, err = callingUser(ctx, userName); err != nil {
		return "", err
	}
	holder, err := h.allowOn(ctx, iam.UserKind, name)
	if err == nil {
		_, err = h.iam.User(ctx, holder.Account, name)
	}
	return name, err
}

type listMFADevicesOutput struct {
	MFADevices []struct{}
	pageOutput
}

func (h handlers) listMFADevices(ctx context.Context, in *userInput) (*listMFADevicesOutput, error) {
	_, err := h.userThere(ctx, in.UserName)
	return &listMFADevicesOutput{MFADevices: []struct{}{}}, err
}

type listSSHPublicKeysOutput struct {
	SSHPublicKeys []struct{}
	pageOutput
}

func (h handlers) listSSHPublicKeys(ctx context.Context, in *userInput) (*listSSHPublicKeysOutput, error) {
	_, err := h.userThere(ctx, in.UserName)
	return &listSSHPublicKeysOutput{SSHPublicKeys: []struct{}{}}, err
}

type listSigningCertificatesOutput struct {
	Certificates []struct{}
	pageOutput
}

func (h handlers) listSigningCertificates(ctx context.Context, in *userInput) (*listSigningCertificatesOutput, error) {
	_, err := h.userThere(ctx, in.UserName)
	return &listSigningCertificatesOutput{Certificates: []struct{}{}}, err
}

type listServiceSpecificCredentialsOutput struct {
	ServiceSpecificCredentials []struct{}
	pageOutput
}

func (h handlers) listServiceSpecificCredentials(ctx context.Context, in *userInput) (*listServiceSpecificCredentialsOutput, error) {
	_, err := h.userThere(ctx, in.UserName)
	return &listServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []struct{}{}}, err
}

// loginProfile answers that a user has no password, to who asks for it or deletes it.
func (h handlers) loginProfile(ctx context.Context, in *userInput) (*struct{}, error) {
	name, err := h.userThere(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, noSuchEntity("Login Profile for User %s cannot be found.", name)
}
