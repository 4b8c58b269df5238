package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

const namespace = "kubernetes-mcp-runner"

func TestEverythingIsInTheRestrictedNamespace(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		place, ok := named[*core.Namespace](b.objects, namespace)
		if !ok {
			t.Fatal("there is no Namespace " + namespace)
		}
		for _, mode := range []string{"enforce", "audit", "warn"} {
			if got := place.Labels["pod-security.kubernetes.io/"+mode]; got != "restricted" {
				t.Errorf("pod security: %s is %q", mode, got)
			}
		}
		for _, object := range b.objects {
			if _, is := object.(*core.Namespace); !is && object.GetNamespace() != namespace {
				t.Errorf("%T %s is in namespace %q", object, object.GetName(), object.GetNamespace())
			}
		}
	})
}

// selected are the pods that a selector finds; none is a mistake.
func selected(t *testing.T, pods []pod, what string, selector *meta.LabelSelector) []pod {
	t.Helper()
	matching, err := meta.LabelSelectorAsMap(selector)
	if err != nil || len(matching) == 0 {
		t.Fatalf("%s: its selector is %v: %v", what, selector, err)
	}
	var found []pod
	for _, p := range pods {
		labels := p.Deployment.Spec.Template.Labels
		if !slices.ContainsFunc(slices.Collect(maps.Keys(matching)), func(key string) bool { return labels[key] != matching[key] }) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		t.Errorf("%s selects no pod with %v", what, matching)
	}
	return found
}

func TestSelectorsFindTheirPods(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, p := range b.pods {
			found := selected(t, b.pods, "Deployment "+p.Name, p.Deployment.Spec.Selector)
			if len(found) != 1 || found[0].Name != p.Name {
				t.Errorf("Deployment %s selects pods of another one", p.Name)
			}
			for _, spread := range p.spec.TopologySpreadConstraints {
				selected(t, b.pods, "a topologySpreadConstraint of "+p.Name, spread.LabelSelector)
			}
			if account := p.spec.ServiceAccountName; account != "" {
				if _, ok := named[*core.ServiceAccount](b.objects, account); !ok {
					t.Errorf("%s: there is no ServiceAccount %s", p.Name, account)
				}
			}
		}
		for _, budget := range of[*policy.PodDisruptionBudget](b.objects) {
			for _, p := range selected(t, b.pods, "PodDisruptionBudget "+budget.Name, budget.Spec.Selector) {
				if _, _, ok := find([]pod{p}, "executor"); !ok {
					t.Errorf("PodDisruptionBudget %s: %s has no executor", budget.Name, p.Name)
				}
			}
			if budget.Spec.MaxUnavailable == nil || *budget.Spec.MaxUnavailable != intstr.FromInt(1) || budget.Spec.MinAvailable != nil {
				t.Errorf("PodDisruptionBudget %s: maxUnavailable is to be 1, so that a node can be drained", budget.Name)
			}
		}
	})
}

// serves tells whether something of these pods serves a port to others.
func serves(t *testing.T, pods []pod, port int64) bool {
	t.Helper()
	for _, p := range pods {
		for _, each := range p.programs {
			if slices.Contains(each.listeners(t), listener{port: port}) {
				return true
			}
		}
	}
	return false
}

func TestServicesLeadToWhatIsServed(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, service := range of[*core.Service](b.objects) {
			found := selected(t, b.pods, "Service "+service.Name, &meta.LabelSelector{MatchLabels: service.Spec.Selector})
			for _, port := range service.Spec.Ports {
				if target := int64(port.TargetPort.IntVal); !serves(t, found, target) {
					t.Errorf("Service %s: nothing serves %s, %s", service.Name, port.Name, port.TargetPort.String())
				}
			}
		}
		main, ok := named[*core.Service](b.objects, "event-runner")
		if !ok || !main.Spec.PublishNotReadyAddresses {
			t.Error("event-runner is not to be scraped while it is not ready, when its metrics matter most")
		}
		for _, p := range b.pods {
			for _, each := range p.programs {
				for _, listener := range each.listeners(t) {
					through := slices.ContainsFunc(main.Spec.Ports, func(port core.ServicePort) bool { return int64(port.Port) == listener.port })
					if p.Name == "event-runner" && !listener.loopback && !through {
						t.Errorf("Service event-runner has no port for %d of %s", listener.port, each.Name)
					}
				}
			}
		}
	})
}

// reaches is the program of the build that listens at this address, as seen from a pod.
func (b build) reaches(t *testing.T, from pod, address string) bool {
	t.Helper()
	if socket, ok := strings.CutPrefix(address, "unix:"); ok {
		var volumes []string
		for _, each := range from.programs {
			if mount, ok := mountOf(each, socket); ok {
				volumes = append(volumes, mount.Name)
			}
		}
		_, ingest, ok := find([]pod{from}, "ingest")
		return ok && ingest.config.text("grpc_listen") == address && len(volumes) == 2 && volumes[0] == volumes[1]
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.ParseInt(text, 10, 32)
	if ip := net.ParseIP(host); ip != nil {
		for _, each := range from.programs {
			if slices.ContainsFunc(each.listeners(t), func(l listener) bool { return l.port == port }) {
				return ip.IsLoopback()
			}
		}
		return false
	}
	service, ok := named[*core.Service](b.objects, host)
	return ok && slices.ContainsFunc(service.Spec.Ports, func(p core.ServicePort) bool { return int64(p.Port) == port })
}

func TestTheExecutorDialsWhereIngestListens(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		p, executor, _ := find(b.pods, "executor")
		if address := executor.config.text("ingest_address"); !b.reaches(t, p, address) {
			t.Errorf("nothing listens at %s for %s", address, p.Name)
		}
		// One that ends with its ingest is in its pod.
		if _, _, together := find([]pod{p}, "ingest"); executor.config["sidecar"] != together {
			t.Errorf("executor: EXECUTOR_SIDECAR is %v", executor.config["sidecar"])
		}
	})
}

func TestIngestRefusesToBeReachedWithoutCertificates(t *testing.T) {
	if withoutCertificates == nil || !strings.Contains(withoutCertificates.Error(), `--grpc-listen: "0.0.0.0:50051"`) {
		t.Errorf("split without mtls: %v", withoutCertificates)
	}
}

func TestThePageTellsOfEveryComponentAndOverlay(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"components", "overlays"} {
		for _, name := range directories(filepath.Join(root, "deploy/kustomize", kind)) {
			if !strings.Contains(string(page), "\n| `"+name+"` |") {
				t.Errorf("docs/deploy.md has no row for %s of %s", name, kind)
			}
		}
	}
}

func TestASimulatedServerIsWhereTheClustersSay(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		clusters, ok := named[*core.ConfigMap](b.objects, "event-runner-clusters")
		if !ok {
			t.Fatal("the ConfigMap of the clusters is to have a name that stays, since ingest watches it")
		}
		p, _, simulated := find(b.pods, "faultsim")
		if !simulated {
			return
		}
		address := regexp.MustCompile(`http://([a-z.:0-9]+)/mcp`).FindStringSubmatch(clusters.Data["runner.yaml"])
		if address == nil || !b.reaches(t, p, address[1]) {
			t.Errorf("ingest does not listen to the simulator: %s", clusters.Data["runner.yaml"])
		}
	})
}

func TestAChangeOfOptionsRollsThePods(t *testing.T) {
	hashed := regexp.MustCompile(`^event-runner-(ingest|executor)-[a-z0-9]{10}$`)
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, p := range b.pods {
			for _, each := range p.programs {
				for _, source := range each.EnvFrom {
					if source.ConfigMapRef != nil && !hashed.MatchString(source.ConfigMapRef.Name) {
						t.Errorf("%s: the ConfigMap %s has no hash in its name", each.Name, source.ConfigMapRef.Name)
					}
				}
			}
		}
	})
}

func TestWhatIsNotMadeHereIsOptionalOrDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	forEveryBuild(t, func(t *testing.T, b build) {
		check := func(owner, secret string, optional *bool) {
			if !strings.Contains(string(page), secret) {
				t.Errorf("%s: docs/deploy.md does not tell of the Secret %s", owner, secret)
			}
			// A program without its certificates is not to start.
			if certificates := strings.HasSuffix(secret, "-tls"); certificates == (optional != nil && *optional) {
				t.Errorf("%s: Secret %s: only certificates are required", owner, secret)
			}
		}
		for _, p := range b.pods {
			for _, volume := range p.spec.Volumes {
				if volume.Secret != nil {
					check(p.Name, volume.Secret.SecretName, volume.Secret.Optional)
				}
			}
			for _, each := range p.programs {
				for _, source := range each.EnvFrom {
					if source.SecretRef != nil {
						check(p.Name, source.SecretRef.Name, source.SecretRef.Optional)
					}
				}
			}
		}
	})
}

func TestAsManyAgentsMayRunAsThereAreSlots(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		at, executor, _ := find(b.pods, "executor")
		_, ingest, _ := find(b.pods, "ingest")
		slots, replicas := executor.config.number(t, "slots"), int64(0)
		if at.Deployment.Spec.Replicas != nil {
			replicas = int64(*at.Deployment.Spec.Replicas)
		}
		for _, scaled := range of[*scaledObject](b.objects) {
			target, ok := named[*apps.Deployment](b.objects, scaled.Spec.ScaleTargetRef.Name)
			if !ok || target.Name != at.Name || replicas != 0 {
				t.Errorf("ScaledObject %s: its target is Deployment %s, with replicas %d that it would fight with",
					scaled.Name, scaled.Spec.ScaleTargetRef.Name, replicas)
			}
			replicas = int64(scaled.Spec.MaxReplicaCount)
			if fallback := scaled.Spec.Fallback.Replicas; int64(fallback) > replicas {
				t.Errorf("ScaledObject %s: falls back to %d, more than %d", scaled.Name, fallback, replicas)
			}
			for _, trigger := range scaled.Spec.Triggers {
				if trigger.Metadata["threshold"] != fmt.Sprint(slots) {
					t.Errorf("ScaledObject %s: threshold is %s, and EXECUTOR_SLOTS is %d", scaled.Name, trigger.Metadata["threshold"], slots)
				}
				requireMetrics(t, trigger.Metadata["query"])
			}
		}
		if agents := ingest.config.number(t, "max_concurrent_agents"); agents != replicas*slots {
			t.Errorf("MAX_CONCURRENT_AGENTS is %d, and %d executors have %d slots each", agents, replicas, slots)
		}
	})
}

func requireMetrics(t *testing.T, query string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`kubernetes_mcp_runner_(\w+)`).FindAllStringSubmatch(query, -1)
	for _, name := range names {
		if !strings.Contains(string(page), "| `"+name[1]+"` |") {
			t.Errorf("there is no metric %s", name[0])
		}
	}
	if len(names) == 0 || !strings.Contains(query, `namespace="`+namespace+`"`) {
		t.Errorf("it is asked for no metric of this namespace: %s", query)
	}
}

// words leaves out how an expression is broken into lines: kustomize folds it otherwise.
func words(t *testing.T, rules monitoring.PrometheusRuleSpec) string {
	t.Helper()
	text, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(string(text), `\n`, " ")), " ")
}

func TestMonitoringFindsEveryProgram(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/monitoring/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var alerts monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &alerts); err != nil {
		t.Fatal(err)
	}
	seen := false
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, monitor := range of[*monitoring.PodMonitor](b.objects) {
			seen = true
			scraped := map[string]bool{}
			for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
				scraped[*endpoint.Port] = true
			}
			for _, p := range b.pods {
				for _, each := range p.programs {
					at := slices.IndexFunc(each.Ports, func(port core.ContainerPort) bool {
						return int64(port.ContainerPort) == each.config.number(t, "metrics_port")
					})
					if at < 0 || !scraped[each.Ports[at].Name] {
						t.Errorf("PodMonitor %s does not scrape %s", monitor.Name, each.Name)
					}
				}
			}
			for _, p := range selected(t, b.pods, "PodMonitor "+monitor.Name, &monitor.Spec.Selector) {
				if job := p.Deployment.Spec.Template.Labels[monitor.Spec.JobLabel]; job != "kubernetes-mcp-runner" {
					t.Errorf("PodMonitor %s: the job of %s is %q", monitor.Name, p.Name, job)
				}
			}
		}
		for _, rule := range of[*monitoring.PrometheusRule](b.objects) {
			if words(t, rule.Spec) != words(t, alerts) {
				t.Error("deploy/monitoring/prometheus-rule.yaml is not alerts.yaml: it says how it is made")
			}
		}
	})
	if !seen {
		t.Error("nothing has a PodMonitor")
	}
}

func TestNetworkPoliciesPermitWhatIsServedAndNothingElse(t *testing.T) {
	seen := false
	forEveryBuild(t, func(t *testing.T, b build) {
		policies := of[*networking.NetworkPolicy](b.objects)
		if len(policies) == 0 {
			return
		}
		seen = true
		into := map[string]map[int64]bool{} // by pod: the ports, and whether only some may come
		out := map[string]map[int64]bool{}
		for _, p := range b.pods {
			into[p.Name], out[p.Name] = map[int64]bool{}, map[int64]bool{}
		}
		for _, each := range policies {
			if len(each.Spec.PolicyTypes) != 2 {
				t.Errorf("NetworkPolicy %s leaves a direction open", each.Name)
			}
			for _, p := range selected(t, b.pods, "NetworkPolicy "+each.Name, &each.Spec.PodSelector) {
				for _, rule := range each.Spec.Ingress {
					for _, peer := range rule.From {
						selected(t, b.pods, "a peer of NetworkPolicy "+each.Name, peer.PodSelector)
					}
					for _, port := range rule.Ports {
						into[p.Name][int64(port.Port.IntVal)] = len(rule.From) > 0
					}
				}
				for _, rule := range each.Spec.Egress {
					for _, port := range rule.Ports {
						out[p.Name][int64(port.Port.IntVal)] = true
					}
				}
			}
		}
		for _, p := range b.pods {
			for _, each := range p.programs {
				for _, listener := range each.listeners(t) {
					narrow, open := into[p.Name][listener.port]
					grpc := listener.port == 50051
					if !listener.loopback && (!open || narrow != grpc) {
						t.Errorf("%s: port %d of %s: permitted: %v, to some only: %v", p.Name, listener.port, each.Name, open, narrow)
					}
				}
			}
			if !out[p.Name][53] {
				t.Errorf("%s may not ask for names", p.Name)
			}
			if _, executor, ok := find([]pod{p}, "executor"); ok && executor.config["sidecar"] == false && !out[p.Name][50051] {
				t.Errorf("%s may not reach ingest", p.Name)
			}
			for port := range into[p.Name] {
				if !serves(t, b.pods, port) && port != 50051 {
					t.Errorf("%s: port %d is permitted, which nothing serves", p.Name, port)
				}
			}
		}
	})
	if !seen {
		t.Error("nothing has a NetworkPolicy")
	}
}
