package iamapi

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/iam"
)

const (
	account = "111122223333"
	trust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allow   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"}]}`
)

// world is the IAM API of one account.
type world struct {
	testing.TB
	api   http.Handler
	iam   *iam.Service
	admin iam.Credential
}

func newWorld(t testing.TB) *world {
	t.Helper()
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	service := iam.New(memstore.New(), sealer, &clock.Clock{})
	w := &world{TB: t, api: New(service), iam: service}
	key, err := service.EnsureAccount(t.Context(), account)
	w.must(err)
	w.admin, err = service.Credentials(t.Context(), key.ID, "")
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// call sends an action with parameters, "Key=value" each, as somebody, and answers with the status and the body.
func (w *world) call(who iam.Credential, action string, parameters ...string) (int, string) {
	w.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for _, p := range parameters {
		key, value, _ := strings.Cut(p, "=")
		form.Set(key, value)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	call := &aws.Call{RequestID: "req-1", Credential: who, Service: "iam", SourceIP: "203.0.113.5",
		Scope: minato.Scope{Account: account, Region: "us-east-1"}}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r.WithContext(aws.WithCall(r.Context(), call)))
	return rec.Code, rec.Body.String()
}

// ok is call as the administrator, which must succeed; each of the texts must be in the body.
func (w *world) ok(action string, parameters []string, texts ...string) string {
	w.Helper()
	status, body := w.call(w.admin, action, parameters...)
	if status != http.StatusOK {
		w.Fatalf("%s: %d %s", action, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			w.Errorf("%s: %s lacks %s", action, body, text)
		}
	}
	return body
}

// fails is call as the administrator, which must fail so.
func (w *world) fails(status int, code, message, action string, parameters ...string) {
	w.Helper()
	got, body := w.call(w.admin, action, parameters...)
	var e struct {
		Error struct{ Code, Message, Type string }
	}
	if err := xml.Unmarshal([]byte(body), &e); err != nil {
		w.Fatalf("%s: %v in %s", action, err, body)
	}
	if got != status || e.Error.Code != code || !strings.Contains(e.Error.Message, message) {
		w.Errorf("%s: %d %s: %s; want %d %s: %s", action, got, e.Error.Code, e.Error.Message, status, code, message)
	}
}

func in(parameters ...string) []string { return parameters }

func TestRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// A plus and a space must both survive the encoding of the document.
	spaced := strings.Replace(trust, `"Version"`, `"Id": "a+b c", "Version"`, 1)
	w.ok("CreateRole", in("RoleName=r", "Path=/x/", "AssumeRolePolicyDocument="+spaced, "Description=a & b",
		"Tags.member.1.Key=team", "Tags.member.1.Value=red", "Tags.member.2.Key=empty", "Tags.member.2.Value="),
		"<Arn>arn:aws:iam::111122223333:role/x/r</Arn>", "<RoleId>AROA", "<MaxSessionDuration>3600</MaxSessionDuration>",
		"<Description>a &amp; b</Description>",
		"<Tags><member><Key>empty</Key><Value></Value></member><member><Key>team</Key><Value>red</Value></member></Tags>")
	body := w.ok("GetRole", in("RoleName=r"), `xmlns="https://iam.amazonaws.com/doc/2010-05-08/"`)
	_, rest, _ := strings.Cut(body, "<AssumeRolePolicyDocument>")
	encoded, _, _ := strings.Cut(rest, "<")
	for name, decode := range map[string]func(string) (string, error){"boto": url.PathUnescape, "terraform": url.QueryUnescape} {
		got, err := decode(encoded)
		if err != nil || got != spaced {
			t.Errorf("%s decodes the trust policy as %q, %v", name, got, err)
		}
	}
	w.ok("ListRoles", nil, "<IsTruncated>false</IsTruncated>", "<RoleName>r</RoleName>")
	w.ok("UpdateRole", in("RoleName=r", "MaxSessionDuration=7200"), "<UpdateRoleResult></UpdateRoleResult>")
	w.ok("UpdateRoleDescription", in("RoleName=r", "Description=new"), "<Description>new</Description>", "<MaxSessionDuration>7200<")
	w.ok("UpdateAssumeRolePolicy", in("RoleName=r", "PolicyDocument="+trust))
	w.ok("TagRole", in("RoleName=r", "Tags.member.1.Key=Team", "Tags.member.1.Value=blue"))
	w.ok("UntagRole", in("RoleName=r", "TagKeys.member.1=empty"))
	w.ok("ListRoleTags", in("RoleName=r"), "<Tags><member><Key>Team</Key><Value>blue</Value></member></Tags>", "<IsTruncated>false<")
	w.ok("PutRolePolicy", in("RoleName=r", "PolicyName=p", "PolicyDocument="+allow))
	w.ok("GetRolePolicy", in("RoleName=r", "PolicyName=p"), "<RoleName>r</RoleName>", "<PolicyDocument>%7B%22Version%22%3A%222012-10-17%22")
	w.ok("ListRolePolicies", in("RoleName=r"), "<PolicyNames><member>p</member></PolicyNames>")
	w.ok("AttachRolePolicy", in("RoleName=r", "PolicyArn=arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"))
	w.ok("ListAttachedRolePolicies", in("RoleName=r"), "<PolicyName>AmazonEKSClusterPolicy</PolicyName>")
	w.ok("ListEntitiesForPolicy", in("PolicyArn=arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"), "<PolicyRoles><member><RoleName>r<")
	w.fails(409, "DeleteConflict", "must detach all policies first", "DeleteRole", "RoleName=r")
	w.ok("DetachRolePolicy", in("RoleName=r", "PolicyArn=arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"))
	w.ok("DeleteRolePolicy", in("RoleName=r", "PolicyName=p"))
	w.ok("CreateInstanceProfile", in("InstanceProfileName=ip"), "<InstanceProfileId>AIPA", "<Roles></Roles>")
	w.ok("AddRoleToInstanceProfile", in("InstanceProfileName=ip", "RoleName=r"))
	w.ok("GetInstanceProfile", in("InstanceProfileName=ip"), "<Roles><member><Path>/x/</Path><RoleName>r</RoleName>")
	w.ok("ListInstanceProfilesForRole", in("RoleName=r"), "<InstanceProfileName>ip<")
	w.ok("RemoveRoleFromInstanceProfile", in("InstanceProfileName=ip", "RoleName=r"))
	w.ok("ListInstanceProfilesForRole", in("RoleName=r"), "<InstanceProfiles></InstanceProfiles>")
	w.ok("DeleteInstanceProfile", in("InstanceProfileName=ip"))
	w.ok("DeleteRole", in("RoleName=r"))
}

func TestErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("CreateRole", in("RoleName=r", "AssumeRolePolicyDocument="+trust))
	w.fails(404, "NoSuchEntity", "The role with name x cannot be found.", "GetRole", "RoleName=x")
	w.fails(409, "EntityAlreadyExists", "Role with name r already exists.", "CreateRole", "RoleName=r", "AssumeRolePolicyDocument="+trust)
	w.fails(400, "MalformedPolicyDocument", "Has prohibited field Resource (at Statement[0].Resource)", "UpdateAssumeRolePolicy", "RoleName=r",
		`PolicyDocument={"Statement":[{"Effect":"Allow","Resource":"*"}]}`)
	w.fails(400, "ValidationError", "The specified value for roleName is invalid.", "CreateRole", "RoleName=a b", "AssumeRolePolicyDocument="+trust)
	w.fails(400, "ValidationError", "Value null at 'roleName'", "GetRole")
	w.fails(400, "ValidationError", "maxSessionDuration", "UpdateRole", "RoleName=r", "MaxSessionDuration=0")
	w.fails(400, "ValidationError", "maxItems", "ListRoles", "MaxItems=0")
	w.fails(400, "ValidationError", "Invalid Marker", "ListRoles", "Marker=!!")
	w.fails(400, "InvalidInput", "Duplicate tag keys found", "TagRole", "RoleName=r",
		"Tags.member.1.Key=a", "Tags.member.1.Value=1", "Tags.member.2.Key=a", "Tags.member.2.Value=2")
	w.fails(400, "InvalidInput", "ARN nonsense is not valid.", "GetPolicy", "PolicyArn=nonsense")
	w.fails(400, "UnsupportedOperation", "Minato does not support iam:CreateLoginProfile", "CreateLoginProfile", "UserName=u")
	w.fails(400, "InvalidAction", "Could not find operation Nonsense for version 2010-05-08", "Nonsense")
	w.ok("CreateUser", in("UserName=u"))
	w.ok("CreateAccessKey", in("UserName=u"))
	w.ok("CreateAccessKey", in("UserName=u"))
	w.fails(409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", "CreateAccessKey", "UserName=u")
	w.fails(400, "ValidationError", "[Active, Inactive]", "UpdateAccessKey", "UserName=u", "AccessKeyId=x", "Status=Off")
	w.fails(403, "AccessDenied", "managed by AWS", "DeletePolicy", "PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess")
}

func TestUserAndKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("GetUser", nil, "<UserName>admin</UserName>") // whoever asks
	w.ok("ListAccessKeys", nil, "<UserName>admin</UserName>")
	w.ok("CreateUser", in("UserName=u", "Path=/a/"), "<Arn>arn:aws:iam::111122223333:user/a/u</Arn>", "<UserId>AIDA")
	body := w.ok("CreateAccessKey", in("UserName=u"), "<SecretAccessKey>", "<Status>Active</Status>")
	_, rest, _ := strings.Cut(body, "<AccessKeyId>")
	id, _, _ := strings.Cut(rest, "<")
	if body := w.ok("ListAccessKeys", in("UserName=u"), id); strings.Contains(body, "Secret") {
		t.Errorf("ListAccessKeys tells the secret: %s", body)
	}
	w.ok("UpdateAccessKey", in("UserName=u", "AccessKeyId="+id, "Status=Inactive"))
	w.ok("ListAccessKeys", in("UserName=u"), "<Status>Inactive</Status>")
	w.ok("CreateGroup", in("GroupName=g"), "<GroupId>AGPA")
	w.ok("AddUserToGroup", in("GroupName=g", "UserName=u"))
	w.ok("GetGroup", in("GroupName=g"), "<Users><member><Path>/a/</Path><UserName>u</UserName>")
	w.ok("ListGroupsForUser", in("UserName=u"), "<GroupName>g</GroupName>")
	w.ok("UpdateGroup", in("GroupName=g", "NewGroupName=h"))
	w.ok("UpdateUser", in("UserName=u", "NewUserName=v", "NewPath=/b/"))
	w.ok("ListGroupsForUser", in("UserName=v"), "<GroupName>h</GroupName>")
	w.ok("GetUser", in("UserName=v"), "<Arn>arn:aws:iam::111122223333:user/b/v</Arn>")
	w.ok("ListAccessKeys", in("UserName=v"), id)
	w.fails(404, "NoSuchEntity", "The user with name u cannot be found.", "UpdateUser", "UserName=u", "NewPath=/")
	w.ok("ListUsers", in("MaxItems=1"), "<IsTruncated>true</IsTruncated>", "<Marker>")
	w.ok("ListAccountAliases", nil, "<AccountAliases></AccountAliases>")

	role, err := w.iam.CreateRole(t.Context(), account, iam.NewRole{Name: "r", Trust: trust})
	w.must(err)
	session := iam.Credential{Principal: minato.Principal{Type: minato.AssumedRole, Account: account, RoleARN: role.ARN(), ID: role.ID + ":s"}}
	if status, body := w.call(session, "GetUser"); status != 400 || !strings.Contains(body, "Must specify userName when calling with non-User credentials") {
		t.Errorf("GetUser of a role session: %d %s", status, body)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const arn = "PolicyArn=arn:aws:iam::111122223333:policy/x/p"
	w.ok("CreatePolicy", in("PolicyName=p", "Path=/x/", "PolicyDocument="+allow, "Description=d"),
		"<PolicyId>ANPA", "<DefaultVersionId>v1<", "<AttachmentCount>0<", "<IsAttachable>true<")
	w.ok("CreatePolicyVersion", in(arn, "PolicyDocument="+allow, "SetAsDefault=true"), "<VersionId>v2</VersionId><IsDefaultVersion>true<")
	body := w.ok("ListPolicyVersions", in(arn), "<VersionId>v2</VersionId><IsDefaultVersion>true<", "<VersionId>v1</VersionId><IsDefaultVersion>false<")
	if strings.Index(body, "v2") > strings.Index(body, "v1") {
		t.Errorf("versions are not newest first: %s", body)
	}
	w.ok("GetPolicyVersion", in(arn, "VersionId=v1"), "<Document>%7B%22Version%22", "<IsDefaultVersion>false<")
	w.ok("SetDefaultPolicyVersion", in(arn, "VersionId=v1"))
	w.ok("GetPolicy", in(arn), "<DefaultVersionId>v1<", "<Description>d<")
	w.ok("DeletePolicyVersion", in(arn, "VersionId=v2"))
	w.ok("TagPolicy", in(arn, "Tags.member.1.Key=a", "Tags.member.1.Value=b"))
	w.ok("ListPolicyTags", in(arn), "<Key>a</Key><Value>b</Value>")
	w.ok("ListPolicies", in("Scope=Local"), "<Arn>arn:aws:iam::111122223333:policy/x/p</Arn>")
	w.ok("ListPolicies", in("OnlyAttached=true"), "AdministratorAccess")
	w.ok("DeletePolicy", in(arn))
}

func TestOIDCProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const arn = "OpenIDConnectProviderArn=arn:aws:iam::111122223333:oidc-provider/oidc.example/id/A"
	w.ok("CreateOpenIDConnectProvider", in("Url=https://oidc.example/id/A", "ClientIDList.member.1=sts.amazonaws.com"),
		"<OpenIDConnectProviderArn>arn:aws:iam::111122223333:oidc-provider/oidc.example/id/A<")
	w.ok("GetOpenIDConnectProvider", in(arn), "<Url>oidc.example/id/A</Url><ClientIDList><member>sts.amazonaws.com<", "<ThumbprintList></ThumbprintList>")
	w.ok("UpdateOpenIDConnectProviderThumbprint", in(arn, "ThumbprintList.member.1="+strings.Repeat("ab", 20)))
	w.ok("ListOpenIDConnectProviders", nil, "<member><Arn>arn:aws:iam::111122223333:oidc-provider/oidc.example/id/A</Arn></member>")
	w.ok("DeleteOpenIDConnectProvider", in(arn))
	w.fails(404, "NoSuchEntity", "oidc.example/id/A", "GetOpenIDConnectProvider", arn)
}

// Whoever has no policy is refused by every operation, whether what it is about exists or not, before it does anything.
func TestEveryOperationAsksFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.iam.CreateUser(ctx, account, iam.NewUser{Name: "nobody"})
	w.must(err)
	key, err := w.iam.CreateAccessKey(ctx, account, "nobody")
	w.must(err)
	nobody, err := w.iam.Credentials(ctx, key.ID, "")
	w.must(err)
	for _, name := range []string{"admin", "ghost"} {
		for _, op := range (handlers{w.iam}).operations() {
			status, body := w.call(nobody, op.Name, "UserName="+name, "GroupName="+name, "RoleName="+name, "InstanceProfileName="+name,
				"PolicyName=p", "PolicyArn=arn:aws:iam::111122223333:policy/"+name, "PolicyDocument="+allow, "AssumeRolePolicyDocument="+trust,
				"VersionId=v1", "PolicySourceArn=arn:aws:iam::111122223333:user/"+name, "PolicyInputList.member.1="+allow, "AccessKeyId="+key.ID, "Status=Active", "Url=https://oidc.example", "ClientID=x", "ClientIDList.member.1=x",
				"OpenIDConnectProviderArn=arn:aws:iam::111122223333:oidc-provider/"+name, "PermissionsBoundary=arn:aws:iam::aws:policy/PowerUserAccess",
				"Tags.member.1.Key=k", "Tags.member.1.Value=v", "TagKeys.member.1=k", "ThumbprintList.member.1="+strings.Repeat("a", 40))
			if status != http.StatusForbidden || !strings.Contains(body, "<Code>AccessDenied</Code>") ||
				!strings.Contains(body, "user/nobody is not authorized to perform: iam:"+op.Name) {
				t.Errorf("%s on %s: %d %s", op.Name, name, status, body)
			}
		}
	}
}

// What a policy may ask of a request reaches it.
func TestConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.iam.CreateUser(ctx, account, iam.NewUser{Name: "u"})
	w.must(err)
	key, err := w.iam.CreateAccessKey(ctx, account, "u")
	w.must(err)
	u, err := w.iam.Credentials(ctx, key.ID, "")
	w.must(err)
	w.ok("CreateRole", in("RoleName=r", "AssumeRolePolicyDocument="+trust, "Tags.member.1.Key=team", "Tags.member.1.Value=red"))
	for _, c := range []struct {
		condition, action string
		parameters        []string
		want              bool
	}{
		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, "GetRole", in("RoleName=r"), true},
		{`"Bool":{"aws:SecureTransport":"true"}`, "GetRole", in("RoleName=r"), false},
		{`"StringEquals":{"aws:RequestedRegion":"us-east-1"}`, "GetRole", in("RoleName=r"), true},
		{`"StringEquals":{"iam:ResourceTag/team":"red"}`, "GetRole", in("RoleName=r"), true},
		{`"StringEquals":{"aws:ResourceTag/team":"blue"}`, "GetRole", in("RoleName=r"), false},
		{`"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AmazonEKS*"}`, "AttachRolePolicy", in("RoleName=r", "PolicyArn=arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"), true},
		{`"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AmazonEKS*"}`, "AttachRolePolicy", in("RoleName=r", "PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess"), false},
		{`"StringEquals":{"aws:RequestTag/team":"red"}`, "TagRole", in("RoleName=r", "Tags.member.1.Key=team", "Tags.member.1.Value=red"), true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}`, "UntagRole", in("RoleName=r", "TagKeys.member.1=cost"), false},
		{`"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::aws:policy/PowerUserAccess"}`, "CreateUser", in("UserName=b"), false},
		{`"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::aws:policy/PowerUserAccess"}`, "CreateUser", in("UserName=b", "PermissionsBoundary=arn:aws:iam::aws:policy/PowerUserAccess"), true},
	} {
		w.must(w.iam.PutInlinePolicy(ctx, iam.Holder{Account: account, Kind: iam.UserKind, Name: "u"}, "p",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{`+c.condition+`}}]}`))
		status, body := w.call(u, c.action, c.parameters...)
		if (status == http.StatusOK) != c.want {
			t.Errorf("%s with %s: %d %s", c.action, c.condition, status, body)
		}
	}
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const admin = "PolicySourceArn=arn:aws:iam::111122223333:user/admin"
	w.ok("SimulatePrincipalPolicy", in(admin, "ActionNames.member.1=eks:ListClusters"),
		"<EvalActionName>eks:ListClusters</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>allowed</EvalDecision>",
		"<SourcePolicyId>AdministratorAccess</SourcePolicyId>", "<MissingContextValues></MissingContextValues>", "<IsTruncated>false<")
	w.ok("PutUserPolicy", in("UserName=admin", "PolicyName=never", `PolicyDocument={"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"eks:D*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`))
	w.ok("SimulatePrincipalPolicy", in(admin, "ActionNames.member.1=eks:DeleteCluster", "ResourceArns.member.1=arn:aws:eks:us-east-1:111122223333:cluster/c",
		"ContextEntries.member.1.ContextKeyName=aws:SecureTransport", "ContextEntries.member.1.ContextKeyType=boolean", "ContextEntries.member.1.ContextKeyValues.member.1=false"),
		"<EvalDecision>explicitDeny</EvalDecision><MatchedStatements><member><SourcePolicyId>user_admin_never</SourcePolicyId>")
	w.ok("GetContextKeysForPrincipalPolicy", in(admin), "<ContextKeyNames><member>aws:SecureTransport</member></ContextKeyNames>")
	w.ok("SimulateCustomPolicy", in("PolicyInputList.member.1="+allow, "PermissionsBoundaryPolicyInputList.member.1="+strings.Replace(allow, "eks", "ec2", 1), "ActionNames.member.1=eks:ListClusters"),
		"<EvalDecision>implicitDeny<", "<SourcePolicyId>PolicyInputList.1<", "<AllowedByPermissionsBoundary>false<")
	w.ok("GetContextKeysForCustomPolicy", in("PolicyInputList.member.1="+allow), "<ContextKeyNames></ContextKeyNames>")
	w.fails(400, "InvalidInput", "not simulated", "SimulateCustomPolicy", "PolicyInputList.member.1="+allow, "ActionNames.member.1=eks:ListClusters", "ResourceOwner=arn:aws:iam::111122223333:root")
	w.fails(404, "NoSuchEntity", "cannot be found", "SimulatePrincipalPolicy", "PolicySourceArn=arn:aws:iam::111122223333:role/none", "ActionNames.member.1=eks:ListClusters")
	w.fails(400, "InvalidInput", "is not valid", "SimulatePrincipalPolicy", "PolicySourceArn=none", "ActionNames.member.1=eks:ListClusters")
}

// Clients ask for all of this before they delete a user.
func TestWhatUsersNeverHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("CreateUser", in("UserName=u"))
	for action, empty := range map[string]string{
		"ListMFADevices": "MFADevices", "ListSSHPublicKeys": "SSHPublicKeys", "ListSigningCertificates": "Certificates",
		"ListServiceSpecificCredentials": "ServiceSpecificCredentials",
	} {
		w.ok(action, in("UserName=u"), "<"+empty+"></"+empty+">")
		w.fails(404, "NoSuchEntity", "The user with name v cannot be found.", action, "UserName=v")
	}
	for action, empty := range map[string]string{
		"ListVirtualMFADevices": "VirtualMFADevices", "ListSAMLProviders": "SAMLProviderList", "ListServerCertificates": "ServerCertificateMetadataList",
	} {
		w.ok(action, nil, "<"+empty+"></"+empty+">")
	}
	for _, action := range []string{"GetLoginProfile", "DeleteLoginProfile"} {
		w.fails(404, "NoSuchEntity", "Login Profile for User u cannot be found.", action, "UserName=u")
	}
	w.fails(404, "NoSuchEntity", "The Password Policy with domain name 111122223333 cannot be found.", "GetAccountPasswordPolicy")
}
