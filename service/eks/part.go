package eks

import (
	"context"
	"errors"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// partWords are how errors speak of a kind of part of a cluster.
type partWords struct {
	kind      string // "nodegroup"
	parameter string // of the API, that names one: "nodegroupName"
	// notFound is AWS's message, with NAME and CLUSTER in it.
	notFound string
}

var (
	addonWords     = partWords{"add-on", "addonName", "No addon: NAME found in cluster: CLUSTER"}
	nodegroupWords = partWords{"nodegroup", "nodegroupName", "No node group found for name: NAME."}
	profileWords   = partWords{"Fargate profile", "fargateProfileName", "No Fargate Profile found with name: NAME."}
)

// partError says what went wrong when the record of a part was read or written.
func (s *Service) partError(ctx context.Context, w partWords, clusterName, name string, err error) error {
	if err == nil {
		return nil
	}
	var told *minato.Error
	if errors.Is(err, store.ErrNotFound) {
		told = minato.Errorf(minato.NotFound, "%s", strings.NewReplacer("NAME", shorten(name), "CLUSTER", clusterName).Replace(w.notFound))
	} else {
		if corrupt, ok := errors.AsType[*store.CorruptError](err); ok {
			s.logCorrupt(ctx, corrupt)
		}
		told = minato.Errorf(minato.Internal, "reading or writing the record of %s %s failed: %w", w.kind, name, err)
	}
	return told.With("clusterName", clusterName).With(w.parameter, name)
}

// on names the part in an error that is meant for the client.
func (w partWords) on(err error, clusterName, name string) error {
	err = withCluster(err, clusterName)
	if e, ok := errors.AsType[*minato.Error](err); ok && e.Kind != minato.Denied {
		return e.With(w.parameter, name)
	}
	return err
}
