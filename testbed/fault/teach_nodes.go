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
}
