package fault

import "noriter.dev/noriter/internal/lang"

// ofWorkloads are the teachings of faults of what people run.
var ofWorkloads = map[string]Teaching{
	"image-tag-broken": of(
		lang.Text{EN: "Look at the pods of the shop: are all of them running?", KO: "가게의 파드를 살펴보세요. 모두 실행 중인가요?"},
		lang.Text{EN: "A rollout does not come to its end: a pod of the new ReplicaSet waits for something.", KO: "롤아웃이 끝나지 않습니다. 새 레플리카셋의 파드가 무언가를 기다리고 있습니다."},
		lang.Text{EN: "`kubectl describe pod` names the image that can't be pulled. Compare it with the one of the old pods.", KO: "`kubectl describe pod`에 받지 못하는 이미지가 나옵니다. 이전 파드의 이미지와 비교해 보세요."},
		lang.Text{EN: "`kubectl rollout undo`, or `kubectl set image` with a tag that exists", KO: "`kubectl rollout undo`, 또는 있는 태그로 `kubectl set image`"},
		lang.Text{EN: "A rolling update keeps the old pods until new ones are ready: a wrong image stops the rollout, and not the service.",
			KO: "롤링 업데이트는 새 파드가 준비될 때까지 이전 파드를 남겨 둡니다. 이미지가 잘못되면 롤아웃이 멈출 뿐, 서비스는 멈추지 않습니다."}),
	"selector-broken": of(
		lang.Text{EN: "Call the Services of the shop.", KO: "가게의 서비스에 접속해 보세요."},
		lang.Text{EN: "The pods are well, and yet the Service has nobody to send to.", KO: "파드는 멀쩡한데, 서비스가 보낼 곳이 없습니다."},
		lang.Text{EN: "Compare `kubectl get service -o wide` with `kubectl get pods --show-labels`, letter by letter.", KO: "`kubectl get service -o wide`와 `kubectl get pods --show-labels`를 한 글자씩 비교해 보세요."},
		lang.Text{EN: "`kubectl edit service`: let it choose the labels that the pods have", KO: "`kubectl edit service`로 파드에 있는 레이블을 고르게 합니다"},
		lang.Text{EN: "Services and pods know each other by labels alone, and nobody complains when none match: an empty endpoints list is the sign.",
			KO: "서비스와 파드는 레이블로만 이어지고, 맞는 것이 없어도 아무도 알려 주지 않습니다. 비어 있는 엔드포인트 목록이 그 표시입니다."}),
	"targetport-broken": of(
		lang.Text{EN: "Call the Services of the shop.", KO: "가게의 서비스에 접속해 보세요."},
		lang.Text{EN: "The Service has endpoints, and they are ready; call one of the pods directly.", KO: "서비스에 엔드포인트가 있고 준비도 되어 있습니다. 파드에 직접 접속해 보세요."},
		lang.Text{EN: "On which port do the pods listen, and which one is in `kubectl get endpointslices`?", KO: "파드는 어느 포트에서 수신하고, `kubectl get endpointslices`에는 어느 포트가 나오나요?"},
		lang.Text{EN: "`kubectl edit service`: set the port of the pods as targetPort", KO: "`kubectl edit service`로 targetPort를 파드의 포트로 바꿉니다"},
		lang.Text{EN: "Ready endpoints say that the pods are well, not that the Service sends to the right port; a targetPort by name can't go wrong so easily.",
			KO: "준비된 엔드포인트는 파드가 멀쩡하다는 뜻이지, 서비스가 맞는 포트로 보낸다는 뜻은 아닙니다. targetPort를 이름으로 적으면 이런 실수가 줄어듭니다."}),
	"pull-secret-missing": of(
		lang.Text{EN: "Look at the events of the shop.", KO: "가게의 이벤트를 살펴보세요."},
		lang.Text{EN: "A new pod lacks something with which its node would log in to a registry.", KO: "노드가 레지스트리에 로그인할 때 쓸 것이 새 파드에 없습니다."},
		lang.Text{EN: "Compare the pod's imagePullSecrets with `kubectl get secrets`.", KO: "파드의 imagePullSecrets와 `kubectl get secrets`를 비교해 보세요."},
		lang.Text{EN: "`kubectl create secret docker-registry registry-login --docker-server=registry.noriter.test:5443 --docker-username=learner --docker-password=noriter`, in the shop",
			KO: "가게에서 `kubectl create secret docker-registry registry-login --docker-server=registry.noriter.test:5443 --docker-username=learner --docker-password=noriter`"},
		lang.Text{EN: "A missing pull secret stops no pod as long as its node has the image: it shows itself on the next node, or with the next version. Warnings are worth reading before that.",
			KO: "노드에 이미지가 있는 동안에는 이미지 풀 시크릿이 없어도 파드가 돕니다. 다음 노드나 다음 버전에서야 문제가 드러나니, 경고는 그 전에 읽어 두는 것이 좋습니다."}),
	"node-selector-wrong": of(
		lang.Text{EN: "Look at the pods of the shop: are all of them where they should be?", KO: "가게의 파드를 살펴보세요. 모두 제자리에 있나요?"},
		lang.Text{EN: "A rollout does not come to its end: for a new pod no node is found.", KO: "롤아웃이 끝나지 않습니다. 새 파드가 갈 노드를 찾지 못합니다."},
		lang.Text{EN: "Compare the pod's Node-Selectors in `kubectl describe pod` with `kubectl get nodes --show-labels`.", KO: "`kubectl describe pod`의 Node-Selectors와 `kubectl get nodes --show-labels`를 비교해 보세요."},
		lang.Text{EN: "`kubectl rollout undo`, or take the nodeSelector out, or label a node if it is meant", KO: "`kubectl rollout undo`, 또는 nodeSelector를 지우거나, 필요한 것이라면 노드에 레이블을 붙입니다"},
		lang.Text{EN: "FailedScheduling counts the nodes and gives a reason for each: a label that was never set, a taint, room that is missing. Read it before anything is changed.", KO: "FailedScheduling은 노드 수와 이유를 알려 줍니다. 붙인 적 없는 레이블인지, 테인트인지, 모자란 자리인지, 무엇을 바꾸기 전에 먼저 읽으세요."}),
	"request-too-large": of(
		lang.Text{EN: "Look at the pods of the shop: do all of them run?", KO: "가게의 파드를 살펴보세요. 모두 돌고 있나요?"},
		lang.Text{EN: "A rollout does not come to its end: a new pod asks for more than there is.", KO: "롤아웃이 끝나지 않습니다. 새 파드가 있는 것보다 많이 달라고 합니다."},
		lang.Text{EN: "Compare the Requests in `kubectl describe pod` with Allocatable in `kubectl describe node`.", KO: "`kubectl describe pod`의 Requests와 `kubectl describe node`의 Allocatable을 비교해 보세요."},
		lang.Text{EN: "`kubectl rollout undo`, or `kubectl set resources` with an amount that a node has", KO: "`kubectl rollout undo`, 또는 노드가 감당할 수 있는 값으로 `kubectl set resources`"},
		lang.Text{EN: "A request is a reservation: the scheduler adds up what was asked for, not what is used. An idle node can be full, and what no node has will wait for ever.", KO: "요청은 예약입니다. 스케줄러는 실제 사용량이 아니라 요청량을 더합니다. 한가한 노드도 가득 찰 수 있고, 어느 노드에도 없는 양은 영원히 기다립니다."}),
	"liveness-port-wrong": of(
		lang.Text{EN: "Watch the pods of the shop for a minute.", KO: "가게의 파드를 1분 동안 지켜보세요."},
		lang.Text{EN: "Containers are ended although they answer. Who ends them, and why?", KO: "컨테이너가 응답하는데도 종료됩니다. 누가, 왜 종료시키나요?"},
		lang.Text{EN: "`kubectl describe pod`: the event Unhealthy names the port that is asked. On which port does the container listen?", KO: "`kubectl describe pod`의 Unhealthy 이벤트에 확인하는 포트가 나옵니다. 컨테이너는 어느 포트에서 수신하나요?"},
		lang.Text{EN: "`kubectl rollout undo`, or give the liveness probe the port on which the container listens", KO: "`kubectl rollout undo`, 또는 활성 프로브의 포트를 컨테이너가 수신하는 포트로 고칩니다"},
		lang.Text{EN: "A liveness probe that is wrong kills what is healthy. It is there for programs that hang; whether traffic may come is the readiness probe's question.", KO: "잘못된 활성 프로브는 멀쩡한 것을 죽입니다. 활성 프로브는 멈춰 버린 프로그램을 위한 것이고, 트래픽을 받아도 되는지는 준비성 프로브가 답합니다."}),
	"hostpath-missing": of(
		lang.Text{EN: "Look at the pods of the shop: are all of them running?", KO: "가게의 파드를 살펴보세요. 모두 실행 중인가요?"},
		lang.Text{EN: "A new pod has its node, and yet its container is not made: something that it mounts is not there.", KO: "새 파드는 노드를 배정받았는데 컨테이너가 만들어지지 않습니다. 마운트할 것이 없습니다."},
		lang.Text{EN: "`kubectl describe pod` names the volume. It is a folder of the node: is it there?", KO: "`kubectl describe pod`에 볼륨이 나옵니다. 노드의 디렉터리인데, 그 노드에 있나요?"},
		lang.Text{EN: "`kubectl rollout undo`, or make the folder on every worker", KO: "`kubectl rollout undo`, 또는 모든 워커에 그 디렉터리를 만듭니다"},
		lang.Text{EN: "ContainerCreating that lasts is mostly a volume or the network: the events say which. hostPath ties a pod to what happens to lie on a node.", KO: "ContainerCreating이 길어지면 대개 볼륨이나 네트워크 문제이고, 어느 쪽인지는 이벤트에 나옵니다. hostPath를 쓰면 파드가 노드에 마침 있는 것에 묶입니다."}),
	"config-key-missing": of(
		lang.Text{EN: "Look at the pods of the shop, and how old each is.", KO: "가게의 파드와 각각의 나이를 살펴보세요."},
		lang.Text{EN: "A new pod lacks a value that the old ones still have.", KO: "이전 파드에는 있는 값이 새 파드에는 없습니다."},
		lang.Text{EN: "`kubectl describe pod` names what is missing; compare with `kubectl get configmap -o yaml`.", KO: "`kubectl describe pod`에 없는 것이 나옵니다. `kubectl get configmap -o yaml`과 비교해 보세요."},
		lang.Text{EN: "`kubectl edit configmap`: put the entry back, of any value", KO: "`kubectl edit configmap`으로 그 항목을 다시 넣습니다 (값은 무엇이든 됩니다)"},
		lang.Text{EN: "Environment variables are read when a container starts: a ConfigMap can be wrong for weeks before a pod is replaced and somebody notices.", KO: "환경 변수는 컨테이너가 시작할 때 읽습니다. 컨피그맵이 잘못되어도 파드가 바뀔 때까지 몇 주 동안 아무도 모를 수 있습니다."}),
	"quota-exhausted": of(
		lang.Text{EN: "Count the pods of the shop, and compare with what was asked for.", KO: "가게의 파드 수를 세어 원하는 수와 비교해 보세요."},
		lang.Text{EN: "The ReplicaSet wants one pod more and is refused. Not by the scheduler: there is no pod to be placed.", KO: "레플리카셋이 파드를 하나 더 만들려다 거부당합니다. 배치할 파드조차 없으니 스케줄러가 거부한 것은 아닙니다."},
		lang.Text{EN: "`kubectl describe replicaset`, then `kubectl get resourcequota`, both in the shop's namespace.", KO: "가게의 네임스페이스에서 `kubectl describe replicaset`과 `kubectl get resourcequota`를 확인하세요."},
		lang.Text{EN: "`kubectl edit resourcequota` to allow as many pods as are wanted, or `kubectl delete resourcequota`", KO: "`kubectl edit resourcequota`로 필요한 만큼 파드를 허용하거나 `kubectl delete resourcequota`"},
		lang.Text{EN: "A quota is checked when an object is made: what is there stays, what goes is not replaced. The one who is refused is the controller, so the reason is in its events and not in a pod's.", KO: "쿼터는 오브젝트를 만들 때 확인합니다. 있던 것은 남고, 없어진 것은 다시 생기지 않습니다. 거부당하는 것은 컨트롤러이므로 이유는 파드가 아니라 레플리카셋의 이벤트에 있습니다."}),
}
