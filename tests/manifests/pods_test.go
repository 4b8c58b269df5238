package manifests

import (
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	agentsOfImage = "/usr/local/share/kubernetes-mcp-runner/agents"
	// Of the memory of an executor's container, for the executor and its shims.
	executorMemory = 128 << 20
	// What a program may take after its agents were stopped, and the sweep for what they have left.
	stopBudget = 7
	delivery   = 8
)

func TestProbesAreThoseOfTheOperationsManual(t *testing.T) {
	probe := func(path string, port int, initial, period, failures int32) *core.Probe {
		return &core.Probe{
			ProbeHandler:        core.ProbeHandler{HTTPGet: &core.HTTPGetAction{Path: path, Port: intstr.FromInt(port)}},
			InitialDelaySeconds: initial, PeriodSeconds: period, FailureThreshold: failures,
		}
	}
	forEveryBuild(t, func(t *testing.T, b build) {
		for name, port := range map[string]int{"ingest": 8080, "executor": 8081} {
			_, p, _ := find(b.pods, name)
			if int64(port) != p.config.number(t, "health_port") {
				t.Errorf("%s serves its health elsewhere than on %d", name, port)
			}
			if !reflect.DeepEqual(p.LivenessProbe, probe("/healthz", port, 10, 10, 3)) {
				t.Errorf("%s: liveness is %+v", name, p.LivenessProbe)
			}
			if !reflect.DeepEqual(p.ReadinessProbe, probe("/readyz", port, 5, 5, 2)) {
				t.Errorf("%s: readiness is %+v", name, p.ReadinessProbe)
			}
		}
	})
}

func TestTheExecutorIsThereBeforeIngestAndEndsAfterIt(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		plain := strings.Contains(b.name, "plain-sidecar")
		for _, p := range b.pods {
			for _, each := range p.programs {
				always := each.RestartPolicy != nil && *each.RestartPolicy == core.ContainerRestartPolicyAlways
				if each.sidecar != always {
					t.Errorf("%s: a native sidecar is an init container with restartPolicy Always, and nothing else has one", each.Name)
				}
			}
			_, executor, both := find([]pod{p}, "executor")
			if len(p.programs) > 1 && (!both || executor.sidecar == plain) {
				t.Errorf("%s: executor is a native sidecar: %v", p.Name, executor.sidecar)
			}
			if executor.sidecar && (executor.StartupProbe == nil || executor.StartupProbe.HTTPGet == nil ||
				executor.StartupProbe.HTTPGet.Path != "/healthz" || executor.StartupProbe.HTTPGet.Port != intstr.FromInt(8081)) {
				t.Errorf("%s: ingest does not wait for /healthz of the executor", p.Name)
			}
		}
	})
}

func TestNoTwoProgramsOfAPodServeOnePort(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, p := range b.pods {
			owners, names := map[int64]string{}, map[string]string{}
			for _, each := range p.programs {
				served := map[int64]bool{}
				for _, listener := range each.listeners(t) {
					if other, taken := owners[listener.port]; taken {
						t.Errorf("%s: %s and %s both serve port %d", p.Name, other, each.Name, listener.port)
					}
					owners[listener.port] = each.Name
					served[listener.port] = !listener.loopback
				}
				for _, port := range each.Ports {
					if !served[int64(port.ContainerPort)] {
						t.Errorf("%s does not serve its port %s, %d", each.Name, port.Name, port.ContainerPort)
					}
					delete(served, int64(port.ContainerPort))
					if other, taken := names[port.Name]; taken {
						t.Errorf("%s: %s and %s both call a port %s", p.Name, other, each.Name, port.Name)
					}
					names[port.Name] = each.Name
				}
				for port, open := range served {
					if open {
						t.Errorf("%s serves %d, which is none of its ports", each.Name, port)
					}
				}
			}
		}
	})
}

func TestTheGracePeriodIsLongEnoughToDrain(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		_, executor, _ := find(b.pods, "executor")
		kill := executor.config.seconds(t, "agent_kill_grace")
		for _, p := range b.pods {
			for _, each := range p.programs {
				if each.config == nil {
					continue
				}
				need := each.config.seconds(t, "shutdown_timeout") + kill + stopBudget + delivery
				if grace := *p.spec.TerminationGracePeriodSeconds; grace < need {
					t.Errorf("%s: terminationGracePeriodSeconds is %d, and %s may need %d", p.Name, grace, each.Name, need)
				}
			}
		}
		if executor.config["sidecar"] == false &&
			executor.config.seconds(t, "shutdown_timeout") < executor.config.seconds(t, "agent_timeout") {
			t.Error("an executor apart from ingest is to drain for as long as an agent may run")
		}
	})
}

func TestContainersAreRestricted(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, p := range b.pods {
			if p.spec.HostNetwork || p.spec.HostPID || p.spec.HostIPC {
				t.Errorf("%s shares something with its node", p.Name)
			}
			if automount := p.spec.AutomountServiceAccountToken; automount == nil || *automount {
				t.Errorf("%s mounts the token of its service account", p.Name)
			}
			if links := p.spec.EnableServiceLinks; links == nil || *links {
				t.Errorf("%s: variables of Services would get into the environment", p.Name)
			}
			want := &core.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532)),
				SeccompProfile: &core.SeccompProfile{Type: core.SeccompProfileTypeRuntimeDefault}}
			got := p.spec.SecurityContext.DeepCopy()
			for _, volume := range p.spec.Volumes {
				if (volume.EmptyDir != nil || volume.PersistentVolumeClaim != nil) && (got.FSGroup == nil || *got.FSGroup != 65532) {
					t.Errorf("%s: fsGroup does not make volume %s writable", p.Name, volume.Name)
				}
				if volume.HostPath != nil {
					t.Errorf("%s: volume %s is the node's", p.Name, volume.Name)
				}
			}
			got.FSGroup, got.FSGroupChangePolicy = nil, nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: its securityContext is %+v", p.Name, got)
			}
			for _, each := range p.programs {
				want := &core.SecurityContext{AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
					Capabilities: &core.Capabilities{Drop: []core.Capability{"ALL"}}}
				if !reflect.DeepEqual(each.SecurityContext, want) {
					t.Errorf("%s: its securityContext is %+v", each.Name, each.SecurityContext)
				}
			}
		}
	})
}

func TestAgentsFitIntoTheMemoryOfTheirContainer(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		p, executor, _ := find(b.pods, "executor")
		need := executor.config.number(t, "slots")*executor.config.number(t, "agent_memory_limit") + executorMemory
		for _, volume := range p.spec.Volumes {
			if volume.EmptyDir != nil && volume.EmptyDir.Medium == core.StorageMediumMemory {
				need += volume.EmptyDir.SizeLimit.Value()
			}
		}
		if executor.config.number(t, "agent_memory_limit") == 0 {
			t.Error("AGENT_MEMORY_LIMIT_BYTES bounds nothing")
		}
		if limit := executor.Resources.Limits.Memory().Value(); limit < need {
			t.Errorf("executor: its memory limit is %d, and all slots may need %d", limit, need)
		}
	})
}

func TestWorkspacesFitIntoTheirVolume(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		p, executor, _ := find(b.pods, "executor")
		finished, running := executor.config.number(t, "workspace_max_bytes"), executor.config.number(t, "agent_workspace_limit")
		if finished == 0 || running == 0 {
			t.Error("WORKSPACE_MAX_BYTES or AGENT_WORKSPACE_LIMIT_BYTES bounds nothing")
		}
		need := finished + executor.config.number(t, "slots")*(running+2*executor.config.number(t, "agent_max_output"))
		need += need / 10 // limits are looked at once a second
		mount, _ := mountOf(executor, executor.config.text("workspace_root"))
		if room := b.room(t, p, mount.Name); room < need {
			t.Errorf("the volume %s has %d bytes, and workspaces may need %d", mount.Name, room, need)
		}
	})
}

func TestEmptyDirsAreBoundedAndFitIntoTheEphemeralStorage(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, p := range b.pods {
			var onDisk, limits resource.Quantity
			for _, volume := range p.spec.Volumes {
				if volume.EmptyDir == nil {
					continue
				}
				if volume.EmptyDir.SizeLimit == nil {
					t.Errorf("%s: %s has no sizeLimit", p.Name, volume.Name)
				} else if volume.EmptyDir.Medium != core.StorageMediumMemory {
					onDisk.Add(*volume.EmptyDir.SizeLimit)
				}
			}
			for _, each := range p.programs {
				limits.Add(*each.Resources.Limits.StorageEphemeral())
				for _, name := range []core.ResourceName{core.ResourceCPU, core.ResourceMemory} {
					request, limit := each.Resources.Requests[name], each.Resources.Limits[name]
					if request.IsZero() || limit.Cmp(request) < 0 {
						t.Errorf("%s requests %s of %s, and its limit is %s", each.Name, request.String(), name, limit.String())
					}
				}
			}
			if onDisk.Cmp(limits) > 0 {
				t.Errorf("%s: its emptyDirs may grow to %s, and it is evicted beyond %s", p.Name, onDisk.String(), limits.String())
			}
		}
	})
}

// room is how many bytes a volume may take.
func (b build) room(t *testing.T, p pod, volume string) int64 {
	t.Helper()
	for _, each := range p.spec.Volumes {
		switch {
		case each.Name != volume:
		case each.EmptyDir != nil && each.EmptyDir.SizeLimit != nil:
			return each.EmptyDir.SizeLimit.Value()
		case each.PersistentVolumeClaim != nil:
			claim, ok := named[*core.PersistentVolumeClaim](b.objects, each.PersistentVolumeClaim.ClaimName)
			if ok {
				return claim.Spec.Resources.Requests.Storage().Value()
			}
		}
	}
	t.Fatalf("%s: nothing says how large %s is", p.Name, volume)
	return 0
}

// mountOf is the innermost mount that a path is in.
func mountOf(p program, path string) (core.VolumeMount, bool) {
	var best core.VolumeMount
	for _, mount := range p.VolumeMounts {
		if (path+"/" == mount.MountPath+"/" || strings.HasPrefix(path, mount.MountPath+"/")) && len(mount.MountPath) > len(best.MountPath) {
			best = mount
		}
	}
	return best, best.Name != ""
}

// Where a program makes something, and where it finds a socket, which takes the right to write; all else it reads.
var written = []string{"GRPC_LISTEN", "INGEST_ADDRESS", "WORKSPACE_ROOT", "HOME"}

func TestEveryPathIsMountedOrInTheImage(t *testing.T) {
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, p := range b.pods {
			used := map[string]bool{}
			for _, each := range p.programs {
				for name, value := range each.env {
					value = strings.TrimPrefix(value, "unix:")
					if !path.IsAbs(value) {
						continue
					}
					mount, ok := mountOf(each, value)
					if !ok {
						requireInImage(t, each, name, value)
						continue
					}
					if slices.Contains(written, name) == mount.ReadOnly {
						t.Errorf("%s: readOnly of %s is %v, where %s is", each.Name, mount.MountPath, mount.ReadOnly, name)
					}
				}
				for _, mount := range each.VolumeMounts {
					used[mount.Name] = true
					if mount.SubPath != "" || mount.SubPathExpr != "" {
						t.Errorf("%s: %s would never be updated, with subPath", each.Name, mount.MountPath)
					}
				}
			}
			for _, volume := range p.spec.Volumes {
				if !used[volume.Name] {
					t.Errorf("%s: nothing mounts the volume %s", p.Name, volume.Name)
				}
			}
		}
	})
}

func requireInImage(t *testing.T, p program, variable, value string) {
	t.Helper()
	if name, ok := strings.CutPrefix(value, agentsOfImage+"/"); ok && p.Name == "executor" {
		if _, err := os.Stat(filepath.Join(root, "examples/agents", name)); err == nil {
			return
		}
	}
	t.Errorf("%s: %s is %s, which is neither mounted nor in the image", p.Name, variable, value)
}

func TestTheImagesAreOursAndOfThisVersion(t *testing.T) {
	project, err := os.ReadFile(filepath.Join(root, "CMakeLists.txt"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`project\(\S+ VERSION (\S+)`).FindSubmatch(project)
	images, err := os.ReadFile(filepath.Join(root, "deploy/container/Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(images), " "+agentsOfImage+"\n") {
		t.Errorf("the images have no %s", agentsOfImage)
	}
	forEveryBuild(t, func(t *testing.T, b build) {
		for _, p := range b.pods {
			for _, each := range p.programs {
				name, tag, _ := strings.Cut(path.Base(each.Image), ":")
				if name != "kubernetes-mcp-runner-"+each.Name || tag != string(version[1]) {
					t.Errorf("%s runs the image %s, and this is version %s", each.Name, each.Image, version[1])
				}
				if !strings.Contains(string(images), " AS "+each.Name+"\n") {
					t.Errorf("deploy/container makes no image for %s", each.Name)
				}
			}
		}
	})
}
