package fault

import "noriter.dev/noriter/internal/lang"

// ofNodes are the teachings of faults of machines and their network.
var ofNodes = map[string]Teaching{
	"node-off": of(
		lang.Text{EN: "Are all nodes there?", KO: "노드가 모두 제자리에 있나요?"},
		lang.Text{EN: "One node answers to nobody: neither its kubelet, nor SSH, nor ping.", KO: "한 노드가 아무에게도 응답하지 않습니다. kubelet도, SSH도, ping도 마찬가지입니다."},
		lang.Text{EN: "Look at `nori status`: what is the state of each machine?", KO: "`nori status`에서 머신마다 상태를 확인하세요."},
		lang.Text{EN: "`nori up` switches the machine on", KO: "`nori up`으로 머신을 켭니다"},
		lang.Text{EN: "A node that is gone is NotReady after about 50 s, and its pods are given up only after five minutes more: Kubernetes can't tell a dead machine from a slow network.",
			KO: "사라진 노드는 약 50초 뒤 NotReady가 되고, 그 노드의 파드는 5분이 더 지나야 포기됩니다. 쿠버네티스로서는 꺼진 머신과 느린 네트워크를 구별할 수 없기 때문입니다."}),
	"node-cut": of(
		lang.Text{EN: "Look at the nodes, and ask each of them something from the others.", KO: "노드를 살펴보고, 서로 다른 노드끼리 통신이 되는지 확인하세요."},
		lang.Text{EN: "On one machine everything runs, and yet nobody reaches it, nor it anybody.", KO: "한 머신에서는 모든 것이 돌고 있지만, 아무도 그 머신에 닿지 못하고 그 머신도 밖에 닿지 못합니다."},
		lang.Text{EN: "On that machine read `nft list ruleset`: something drops packets.", KO: "그 머신에서 `nft list ruleset`을 읽어 보세요. 무언가가 패킷을 버립니다."},
		lang.Text{EN: "`nft delete table " + cutTable + "` on the machine", KO: "머신에서 `nft delete table " + cutTable + "`"},
		lang.Text{EN: "NotReady says only that the control plane hears nothing. Whether the machine is dead or merely cut off is seen on the machine alone, and its pods may well be running.",
			KO: "NotReady는 컨트롤 플레인에 아무 소식이 없다는 뜻일 뿐입니다. 머신이 죽었는지 끊겼는지는 머신에서만 알 수 있고, 파드는 멀쩡히 돌고 있을 수도 있습니다."}),
	"proxy-rules-gone": of(
		lang.Text{EN: "Reach the same Service from each node.", KO: "같은 서비스에 노드마다 접속해 보세요."},
		lang.Text{EN: "From one node pods are reached by their own addresses, Services are not. Who turns the one address into the other?", KO: "한 노드에서 파드 주소로는 닿는데 서비스 주소로는 닿지 않습니다. 서비스 주소를 파드 주소로 바꾸는 것은 누구인가요?"},
		lang.Text{EN: "On that node look at `systemctl status kube-proxy` and `nft list tables`.", KO: "그 노드에서 `systemctl status kube-proxy`와 `nft list tables`를 확인하세요."},
		lang.Text{EN: "`systemctl restart kube-proxy` on the node", KO: "노드에서 `systemctl restart kube-proxy`"},
		lang.Text{EN: "A Service's address is nowhere but in the rules that kube-proxy writes on each node: what fails on one node only is looked for on that node.",
			KO: "서비스 주소는 kube-proxy가 노드마다 써 넣는 규칙 속에만 있습니다. 한 노드에서만 안 되는 것은 그 노드에서 찾아야 합니다."}),
	"node-tainted": of(
		lang.Text{EN: "On which nodes do pods run, and on which should they?", KO: "파드는 어느 노드에서 돌고 있고, 어느 노드에서 돌아야 하나요?"},
		lang.Text{EN: "A node is Ready and open, and yet all pods have left it.", KO: "한 노드는 Ready이고 열려 있는데도 모든 파드가 떠났습니다."},
		lang.Text{EN: "Compare the Taints in `kubectl describe node` of each worker.", KO: "워커마다 `kubectl describe node`의 Taints를 비교해 보세요."},
		lang.Text{EN: "`kubectl taint node NODE KEY-`, with a minus at the end", KO: "`kubectl taint node 노드 키-` (끝에 빼기 기호)"},
		lang.Text{EN: "A taint is the node's no, a toleration the pod's exception from it. NoSchedule keeps new pods away; NoExecute drives out those that are there, too.", KO: "테인트는 노드의 거절이고, 톨러레이션은 파드가 받는 예외입니다. NoSchedule은 새 파드를 막고, NoExecute는 이미 있는 파드도 내보냅니다."}),
	"node-cordoned": of(
		lang.Text{EN: "Scale something up, and see where the pods go.", KO: "무언가를 늘려 보고 파드가 어디로 가는지 보세요."},
		lang.Text{EN: "One node gets no new pods, and keeps the ones that it has.", KO: "한 노드는 새 파드를 받지 않고, 있던 파드만 데리고 있습니다."},
		lang.Text{EN: "Read the STATUS column of `kubectl get nodes`.", KO: "`kubectl get nodes`의 STATUS 열을 읽어 보세요."},
		lang.Text{EN: "`kubectl uncordon NODE`", KO: "`kubectl uncordon 노드`"},
		lang.Text{EN: "A node is closed before maintenance and has to be opened by hand afterwards: forgetting it costs half the cluster's room, and nothing complains before the room is needed.", KO: "노드는 정비 전에 닫고, 끝나면 손으로 다시 열어야 합니다. 잊으면 클러스터의 자리가 그만큼 줄지만, 자리가 필요해질 때까지는 아무 경고도 없습니다."}),
	"forwarding-off": of(
		lang.Text{EN: "From each node, reach a pod on each other node by its address.", KO: "노드마다 다른 노드의 파드에 주소로 접속해 보세요."},
		lang.Text{EN: "On one node pods are ready, for the kubelet beside them reaches them; from elsewhere nobody does.", KO: "한 노드에서는 바로 옆의 kubelet이 닿을 수 있으니 파드가 준비 상태입니다. 하지만 다른 곳에서는 아무도 닿지 못합니다."},
		lang.Text{EN: "A node is a router between its pods and the network: on that one read `sysctl net.ipv4.ip_forward`.", KO: "노드는 파드와 네트워크 사이의 라우터입니다. 그 노드에서 `sysctl net.ipv4.ip_forward`를 읽어 보세요."},
		lang.Text{EN: "`sysctl -w net.ipv4.ip_forward=1` on the node", KO: "노드에서 `sysctl -w net.ipv4.ip_forward=1`"},
		lang.Text{EN: "Readiness is judged on the pod's own node, and can't see the way to it. That packets pass between a pod and the rest is the node kernel's work, and one setting can end it.", KO: "준비 상태는 파드가 있는 노드에서 판정하므로 거기까지 오는 길은 보지 못합니다. 파드와 바깥 사이에서 패킷을 넘기는 것은 노드의 커널이고, 설정 하나로 멈출 수 있습니다."}),
}
