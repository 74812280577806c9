package fault

import "noriter.dev/noriter/internal/lang"

// ofComponents are the teachings of faults of components.
var ofComponents = map[string]Teaching{
	"agent-stopped": of(
		lang.Text{EN: "Read the logs of one pod on each node. Do you get them everywhere?", KO: "노드마다 파드 하나씩 로그를 읽어 보세요. 어느 노드에서나 읽히나요?"},
		lang.Text{EN: "One node has stopped reporting to the API server; `kubectl describe node` says since when.", KO: "한 노드가 API 서버에 보고하지 않습니다. `kubectl describe node`를 보면 언제부터인지 나옵니다."},
		lang.Text{EN: "On that node look at `systemctl status kubelet`.", KO: "그 노드에서 `systemctl status kubelet`을 확인하세요."},
		lang.Text{EN: "`systemctl start kubelet` on the node", KO: "노드에서 `systemctl start kubelet`"},
		lang.Text{EN: "The kubelet is the only one that speaks for its node: without it, containers run on, but nobody starts, stops or watches them, and the control plane calls the node NotReady.",
			KO: "노드를 대변하는 것은 kubelet뿐입니다. kubelet이 없어도 컨테이너는 계속 돌지만 아무도 시작하거나 멈추거나 살피지 못하고, 컨트롤 플레인은 그 노드를 NotReady로 봅니다."}),
	"scheduler-stopped": of(
		lang.Text{EN: "Start a pod, and see how far it comes.", KO: "파드를 하나 시작하고 어디까지 진행되는지 보세요."},
		lang.Text{EN: "A pod that is Pending without any event was looked at by nobody. Who chooses its node?", KO: "아무 이벤트 없이 Pending에 머무는 파드는 누구도 살펴보지 않은 것입니다. 노드를 고르는 것은 누구인가요?"},
		lang.Text{EN: "On the control plane node look at `systemctl status kube-scheduler`.", KO: "컨트롤 플레인 노드에서 `systemctl status kube-scheduler`를 확인하세요."},
		lang.Text{EN: "`systemctl start kube-scheduler` on the control plane node", KO: "컨트롤 플레인 노드에서 `systemctl start kube-scheduler`"},
		lang.Text{EN: "Pending with a FailedScheduling event means that no node fits; Pending without an event means that no scheduler looked.",
			KO: "FailedScheduling 이벤트가 있는 Pending은 맞는 노드가 없다는 뜻이고, 이벤트가 없는 Pending은 스케줄러가 살펴보지 않았다는 뜻입니다."}),
	"controllers-stopped": of(
		lang.Text{EN: "Delete a pod of a Deployment. What should happen, and what does?", KO: "디플로이먼트의 파드를 하나 지워 보세요. 어떻게 되어야 하고, 실제로는 어떤가요?"},
		lang.Text{EN: "Objects are stored as ever, but nobody acts upon them. Who makes a ReplicaSet's pods?", KO: "오브젝트는 평소처럼 저장되지만 아무도 처리하지 않습니다. 레플리카셋의 파드는 누가 만드나요?"},
		lang.Text{EN: "On the control plane node look at `systemctl status kube-controller-manager`.", KO: "컨트롤 플레인 노드에서 `systemctl status kube-controller-manager`를 확인하세요."},
		lang.Text{EN: "`systemctl start kube-controller-manager` on the control plane node", KO: "컨트롤 플레인 노드에서 `systemctl start kube-controller-manager`"},
		lang.Text{EN: "The API server only stores what is wanted; it is the controllers that make it so. An observedGeneration that lags behind shows that they don't.",
			KO: "API 서버는 원하는 상태를 저장할 뿐이고, 그렇게 만드는 것은 컨트롤러입니다. observedGeneration이 뒤처져 있으면 컨트롤러가 일하지 않는다는 표시입니다."}),
	"containerd-stopped": of(
		lang.Text{EN: "Look at the conditions of the nodes.", KO: "노드의 컨디션을 살펴보세요."},
		lang.Text{EN: "The kubelet of one node reports, and what it says is why the node is not ready.", KO: "한 노드의 kubelet은 보고를 하고 있고, 노드가 왜 준비되지 않았는지도 그 보고에 나옵니다."},
		lang.Text{EN: "The kubelet starts no container itself; on that node ask `crictl info` or `ctr version`.", KO: "kubelet이 직접 컨테이너를 시작하지는 않습니다. 그 노드에서 `crictl info`나 `ctr version`을 실행해 보세요."},
		lang.Text{EN: "`systemctl start containerd` on the node", KO: "노드에서 `systemctl start containerd`"},
		lang.Text{EN: "Kubelet and container runtime are two programs with a socket between them; the Ready condition's message tells which of the two is down.",
			KO: "kubelet과 컨테이너 런타임은 소켓으로 이어진 별개의 프로그램입니다. 둘 중 무엇이 멈췄는지는 Ready 컨디션의 메시지가 알려 줍니다."}),
	"dns-down": of(
		lang.Text{EN: "From a pod, reach a Service by its address and by its name.", KO: "파드 안에서 서비스에 주소로도, 이름으로도 접속해 보세요."},
		lang.Text{EN: "Names are not resolved. Who answers at the address in a pod's /etc/resolv.conf?", KO: "이름을 찾지 못합니다. 파드의 /etc/resolv.conf에 적힌 주소에서는 누가 응답하나요?"},
		lang.Text{EN: "Look at the endpoints of the Service kube-dns in kube-system, and at the pods behind it.", KO: "kube-system에서 서비스 kube-dns의 엔드포인트와 그 뒤의 파드를 확인하세요."},
		lang.Text{EN: "`kubectl -n kube-system scale deployment coredns --replicas=1`", KO: "`kubectl -n kube-system scale deployment coredns --replicas=1`"},
		lang.Text{EN: "The cluster's DNS is a Deployment behind a Service like any other: when names fail and addresses work, look at its pods first.",
			KO: "클러스터 DNS도 서비스 뒤에 있는 디플로이먼트일 뿐입니다. 주소로는 되고 이름으로 안 되면 먼저 그 파드를 확인하세요."}),
	"agent-config-wrong": of(
		lang.Text{EN: "Read the logs of one pod on each node, and look again at the nodes after a minute.", KO: "노드마다 파드 하나씩 로그를 읽어 보고, 1분 뒤에 노드를 다시 살펴보세요."},
		lang.Text{EN: "On one node the kubelet runs, and yet the API server does not hear of it. Its journal says why.", KO: "한 노드에서 kubelet은 돌고 있는데 API 서버에는 소식이 없습니다. 이유는 저널에 있습니다."},
		lang.Text{EN: "On that node read `journalctl -u kubelet`, and compare the address in /etc/kubernetes/kubelet.conf with that of another node.", KO: "그 노드에서 `journalctl -u kubelet`을 읽고, /etc/kubernetes/kubelet.conf의 주소를 다른 노드의 것과 비교해 보세요."},
		lang.Text{EN: "set the server in /etc/kubernetes/kubelet.conf to port 6443, then `systemctl restart kubelet`", KO: "/etc/kubernetes/kubelet.conf의 server를 6443 포트로 고치고 `systemctl restart kubelet`"},
		lang.Text{EN: "A unit that is active is not one that works: the kubelet finds the API server by its kubeconfig alone, and what it can't say there it says in its journal.", KO: "유닛이 활성 상태라고 해서 제대로 일하는 것은 아닙니다. kubelet은 kubeconfig만 보고 API 서버를 찾으며, API 서버에 전하지 못한 말은 저널에 남깁니다."}),
	"registry-stopped": of(
		lang.Text{EN: "Have a node pull an image that it does not have yet.", KO: "노드에 아직 없는 이미지를 받게 해 보세요."},
		lang.Text{EN: "Images that are there already run; new ones don't come: \"connection refused\". Who should have accepted the connection?", KO: "이미 있는 이미지는 실행되지만 새 이미지는 오지 않습니다: \"connection refused\". 연결을 받아야 했던 것은 누구인가요?"},
		lang.Text{EN: "registry.noriter.test is the control plane node: look there at `systemctl status registry`.", KO: "registry.noriter.test는 컨트롤 플레인 노드입니다. 거기서 `systemctl status registry`를 확인하세요."},
		lang.Text{EN: "`systemctl start nori-registry` on the control plane node", KO: "컨트롤 플레인 노드에서 `systemctl start nori-registry`"},
		lang.Text{EN: "Nothing that runs needs the registry: its failure is seen only when a pod starts on a node without the image. The error's last words tell a refused connection from a wrong name or a missing login.", KO: "실행 중인 것에는 레지스트리가 필요 없습니다. 이미지가 없는 노드에서 파드가 시작될 때에야 문제가 드러납니다. 거부된 연결인지, 틀린 이름인지, 로그인 문제인지는 오류의 끝부분에 나옵니다."}),
	"corefile-broken": of(
		lang.Text{EN: "From a pod, reach a Service by its address and by its full name.", KO: "파드 안에서 서비스에 주소로도, 전체 이름으로도 접속해 보세요."},
		lang.Text{EN: "The DNS pods are ready, and they do answer: that there is no such name. What do they believe the cluster is called?", KO: "DNS 파드는 준비되어 있고 응답도 하지만, 그런 이름이 없다고 합니다. DNS 파드는 클러스터의 도메인을 무엇으로 알고 있나요?"},
		lang.Text{EN: "Read `kubectl -n kube-system get configmap coredns -o yaml`, letter by letter.", KO: "`kubectl -n kube-system get configmap coredns -o yaml`을 한 글자씩 읽어 보세요."},
		lang.Text{EN: "`kubectl -n kube-system edit configmap coredns`: the domain is cluster.local; then `kubectl -n kube-system rollout restart deployment coredns`", KO: "`kubectl -n kube-system edit configmap coredns`로 도메인을 cluster.local로 고친 뒤 `kubectl -n kube-system rollout restart deployment coredns`"},
		lang.Text{EN: "Ready says that a program answers, not that it answers rightly. NXDOMAIN comes from somebody who was reached; a timeout comes from nobody.", KO: "준비 상태는 프로그램이 응답한다는 뜻이지, 올바르게 응답한다는 뜻은 아닙니다. NXDOMAIN은 연결된 상대가 보낸 답이고, 시간 초과는 아무도 답하지 않은 것입니다."}),
}
