package terms

// row is one term: the right form, and the wrong ones, which are regular expressions.
type row struct {
	right string
	wrong []string
}

// table is what texts are held to. The first part is the terms of the Korean Kubernetes
// documentation, the second the words that Noriter's own texts use.
var table = []row{
	{"컨트롤 플레인 노드", []string{"컨트롤 노드", "제어 노드", "마스터 노드"}},
	{"컨트롤 플레인", []string{"제어 플레인", "제어 평면", "콘트롤 플레인"}},
	{"워커 노드", []string{"워커노드", "작업자 노드", "일꾼 노드"}},
	{"컴포넌트", []string{"구성 ?요소", "콤포넌트"}},
	{"자격 증명", []string{"인증 정보", "크리덴셜", "신임장"}},
	{"클러스터", []string{"클라스터"}},
	{"컨테이너", []string{"콘테이너"}},
	{"컨트롤러", []string{"콘트롤러", "제어기"}},
	{"스케줄", []string{"스케쥴"}},
	{"파드", []string{"포드", "팟"}},
	{"디플로이먼트", []string{"디플로이멘트", "디플로먼트"}},
	{"레플리카셋", []string{"레플리카 ?세트", "레플리카 셋", "리플리카 ?셋"}},
	{"데몬셋", []string{"데몬 ?세트", "데몬 셋"}},
	{"스테이트풀셋", []string{"스테이트풀 ?세트", "스테이트풀 셋"}},
	{"서비스 어카운트", []string{"서비스 계정"}},
	{"인그레스", []string{"인그래스", "잉그레스"}},
	{"게이트웨이", []string{"게이트 웨이"}},
	{"시크릿", []string{"씨크릿", "시크리트"}},
	{"컨피그맵", []string{"컨피그 맵", "콘피그 ?맵"}},
	{"네임스페이스", []string{"네임 스페이스", "이름 ?공간"}},
	{"엔드포인트", []string{"엔드 포인트", "끝점", "종단점"}},
	{"테인트", []string{"테인드", "타인트"}},
	{"톨러레이션", []string{"톨러런스", "톨레이션", "톨로레이션"}},
	{"어피니티", []string{"친화도", "친화성"}},
	{"롤아웃", []string{"롤 아웃"}},
	{"롤백", []string{"롤 백"}},
	{"셀렉터", []string{"선택자", "실렉터"}},
	{"레이블", []string{"라벨"}},
	{"어노테이션", []string{"애너테이션", "애노테이션"}},
	{"매니페스트", []string{"메니페스트"}},
	{"이미지", []string{"이메지"}},
	{"레지스트리", []string{"레지스터리"}},
	{"볼륨", []string{"볼룸"}},
	{"컨텍스트", []string{"콘텍스트"}},
	{"백오프", []string{"백 오프", "백옵"}},
	{"초기화 컨테이너", []string{"이니트 컨테이너", "[Ii]nit 컨테이너"}},

	{"17초 전, not 17s 전", []string{`\d+(?:ms|[smhd]) (?:전|뒤|후|동안)`}},
	{"단어", []string{"낱말"}},
	{"예시", []string{"본보기"}},
	{"이전 파드, 이전 버전, …", []string{"옛 [가-힣]+"}},
	{"수신 대기, or 포트를 여는", []string{`포트에서 듣[가-힣]+`, `\d+에서 듣[가-힣]+`}},
	{"문제용 환경", []string{"작은 세계"}},
	{"나옵니다", []string{"찾아[지집짐][가-힣]*"}},
	{"맞는 말입니다, or what makes it right", []string{"그것이 옳습니다"}},
}
