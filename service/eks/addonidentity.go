package eks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// addonIdentity is an association that an add-on is to own: an item of podIdentityAssociations.
type addonIdentity struct {
	ServiceAccount string `json:"serviceAccount"`
	RoleARN        string `json:"roleArn"`
}

// readAddonIdentities reads podIdentityAssociations; given is false where a request leaves them as they are.
func readAddonIdentities(raw json.RawMessage) (wanted map[string]string, given bool, err error) {
	if len(raw) == 0 {
		return nil, false, nil
	}
	var list []addonIdentity
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, false, minato.Errorf(minato.Invalid, "podIdentityAssociations cannot be read: want a list of serviceAccount and roleArn")
	}
	wanted = map[string]string{}
	for _, i := range list {
		if _, twice := wanted[i.ServiceAccount]; twice {
			return nil, false, minato.Errorf(minato.Invalid, "podIdentityAssociations has the serviceAccount %q twice", shorten(i.ServiceAccount))
		}
		wanted[i.ServiceAccount] = i.RoleARN
	}
	return wanted, true, nil
}

// ownedIdentities are the associations that an add-on owns, by ServiceAccount.
func ownedIdentities(ctx context.Context, s store.Store, a *Addon) (map[string]store.Item[PodIdentityAssociation], error) {
	page, err := PodIdentityAssociations(s).List(ctx, store.ID(a.ClusterID, a.Spec.Namespace)+"/", "", 0)
	if err != nil {
		return nil, fmt.Errorf("reading the associations of add-on %s: %w", a.Name, err)
	}
	owned := map[string]store.Item[PodIdentityAssociation]{}
	for _, item := range page.Items {
		if item.Value.Owner == a.ARN() {
			owned[item.Value.ServiceAccount] = item
		}
	}
	return owned, nil
}

// changeIdentities are the ops that make the associations which an add-on owns what a request wants.
func (s *Service) changeIdentities(ctx context.Context, c Caller, cluster *Cluster, a *Addon, wanted map[string]string) (ops []store.Op, err error) {
	owned, err := ownedIdentities(ctx, s.Store, a)
	if err != nil {
		return nil, err
	}
	for _, account := range slices.Sorted(maps.Keys(owned)) {
		if _, keep := wanted[account]; !keep {
			ops = append(ops, deletePodIdentity(s.Store, owned[account])...)
		}
	}
	room, err := s.roomForPodIdentities(ctx, cluster)
	if err != nil {
		return nil, err
	}
	for _, account := range slices.Sorted(maps.Keys(wanted)) {
		item, there := owned[account]
		if there && item.Value.Role.String() == wanted[account] {
			continue
		}
		if !there {
			op, err := s.newAddonIdentity(ctx, c, room, a, account, wanted[account])
			if err != nil {
				return nil, err
			}
			ops = append(ops, op...)
			continue
		}
		if item.Value.Role, err = s.checkPodRole(ctx, c, cluster, wanted[account]); err != nil {
			return nil, err
		}
		item.Value.ModifiedAt = s.modified()
		ops = append(ops, PodIdentityAssociations(s.Store).UpdateOp(item))
	}
	return append(ops, room.ops()...), nil
}

func (s *Service) newAddonIdentity(ctx context.Context, c Caller, room *podIdentityRoom, a *Addon, serviceAccount, role string) ([]store.Op, error) {
	if err := room.take(s.Store, a.Spec.Namespace, serviceAccount); err != nil {
		return nil, err
	}
	made, err := s.newPodIdentity(ctx, c, room.cluster, CreatePodIdentityRequest{
		ClusterName: room.cluster.Name, Namespace: a.Spec.Namespace, ServiceAccount: serviceAccount, Role: role,
	})
	if err != nil {
		return nil, err
	}
	made.Owner = a.ARN()
	return createPodIdentity(s.Store, made), nil
}

// AddonIdentities are the ARNs of the associations that an add-on owns, by ServiceAccount.
func (s *Service) AddonIdentities(ctx context.Context, a *Addon) ([]minato.ARN, error) {
	owned, err := ownedIdentities(ctx, s.Store, a)
	if err != nil {
		return nil, err
	}
	var arns []minato.ARN
	for _, account := range slices.Sorted(maps.Keys(owned)) {
		association := owned[account].Value
		arns = append(arns, association.ARN())
	}
	return arns, nil
}

// RemoveAddonIdentities removes the associations that an add-on owns, which is being deleted; those of one that is to be preserved stay,
// and are its cluster's owner's from then on. It may be repeated.
func RemoveAddonIdentities(ctx context.Context, s store.Store, a *Addon) error {
	owned, err := ownedIdentities(ctx, s, a)
	if err != nil {
		return err
	}
	var ops []store.Op
	for _, item := range owned {
		if a.Spec.Preserve {
			item.Value.Owner = minato.ARN{}
			ops = append(ops, PodIdentityAssociations(s).UpdateOp(item))
		} else {
			ops = append(ops, deletePodIdentity(s, item)...)
		}
	}
	if len(ops) == 0 {
		return nil
	}
	if _, err := s.Commit(ctx, ops...); err != nil {
		return fmt.Errorf("removing the associations of add-on %s: %w", a.Name, err)
	}
	return nil
}
