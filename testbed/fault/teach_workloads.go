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
}
