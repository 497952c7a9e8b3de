package insights

import (
	"context"
	"fmt"
	"slices"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// health is the check for issues of the cluster itself.
func health(v *view) check {
	return healthCheck(eks.UpgradeReadiness, v.target(), "Checks for any cluster health issues that prevent successful upgrade to the next Kubernetes version on EKS.")
}

func healthCheck(category, version, description string) check {
	return check{
		name: "Cluster health issues", category: category, version: version, description: description, always: true,
		run: func(_ context.Context, v *view) (finding, error) {
			var bad []eks.InsightResource
			for _, issue := range v.cluster.Status.Health {
				bad = append(bad, eks.InsightResource{Status: eks.InsightStatus{Reason: issue.Code + ": " + issue.Message}, ARN: v.cluster.ARN().String()})
			}
			return trouble(eks.InsightError, bad, "No cluster health issues detected.", "Cluster health issues detected.",
				"See health.issues of DescribeCluster."), nil
		},
	}
}

// addons is the check that the installed add-ons have a version that runs on the next minor.
func addons(v *view) check {
	return addonCheck("EKS add-on version compatibility", eks.UpgradeReadiness, v.target(), "All installed EKS add-on versions are compatible with next Kubernetes version.")
}

func addonCheck(name, category, version, good string) check {
	return check{
		name: name, category: category, version: version,
		description: "Checks version of installed EKS add-ons to ensure they are compatible with Kubernetes " + version + ".",
		run: func(ctx context.Context, v *view) (finding, error) {
			page, err := eks.Addons(v.store).List(ctx, store.ID(v.cluster.ID)+"/", "", 0)
			if err != nil {
				return finding{}, err
			}
			var bad []eks.InsightResource
			var details []eks.InsightAddonDetail
			for _, item := range page.Items {
				a := &item.Value
				compatible := v.addonVersions(a.Name, version)
				if slices.Contains(compatible, a.Spec.Version) {
					continue
				}
				s := eks.InsightStatus{Reason: fmt.Sprintf("%s %s does not run on Kubernetes %s", a.Name, a.Spec.Version, version)}
				if len(compatible) == 0 {
					s.Reason += ", and no version of it does"
				}
				bad = append(bad, eks.InsightResource{Status: s, ARN: a.ARN().String()})
				details = append(details, eks.InsightAddonDetail{Name: a.Name, Compatible: compatible})
			}
			f := trouble(eks.InsightError, bad, good, "Installed EKS add-on versions are not compatible with Kubernetes "+version+".",
				"Update the add-ons to compatible versions.")
			f.addons = details
			return f, nil
		},
	}
}

// supportCalendar is the check that the support calendar will not upgrade the cluster soon.
func supportCalendar(v *view) check {
	return check{
		name: "Support calendar", category: eks.UpgradeReadiness, version: v.target(), always: true,
		description: "Checks whether the cluster's Kubernetes version is about to leave the support that its upgrade policy asks for: then the cluster is upgraded without being asked.",
		run: func(_ context.Context, v *view) (finding, error) {
			up, soon := v.announced(v.cluster)
			if !soon {
				return passing("No upgrade by the support calendar is due soon."), nil
			}
			f := finding{status: eks.InsightStatus{Status: eks.InsightWarning, Reason: up.String()}, advice: "Upgrade the cluster before, at a time of your own, with UpdateClusterVersion."}
			if up.Blocked != nil {
				f.status.Status, f.advice = eks.InsightError, "Mend what blocks the upgrade, and then upgrade the cluster with UpdateClusterVersion."
			}
			return f, nil
		},
	}
}
