package terms

import (
	"fmt"
	"testing"
	"testing/fstest"
)

// wrong has a text for every wrong form of the table, in its order.
var wrong = []string{
	"컨트롤 노드에도", "제어 노드", "마스터 노드",
	"제어 플레인", "제어 평면", "콘트롤 플레인",
	"워커노드", "작업자 노드", "일꾼 노드",
	"구성 요소", "콤포넌트",
	"인증 정보를", "크리덴셜", "신임장",
	"클라스터", "콘테이너", "콘트롤러", "제어기", "스케쥴러",
	"포드", "팟이",
	"디플로이멘트", "디플로먼트",
	"레플리카세트", "레플리카 셋", "리플리카셋",
	"데몬세트", "데몬 셋",
	"스테이트풀세트", "스테이트풀 셋",
	"서비스 계정", "인그래스", "잉그레스", "게이트 웨이",
	"씨크릿", "시크리트", "컨피그 맵", "콘피그맵",
	"네임 스페이스", "이름 공간",
	"엔드 포인트", "끝점", "종단점",
	"테인드", "타인트",
	"톨러런스", "톨레이션", "톨로레이션",
	"친화도", "친화성", "롤 아웃", "롤 백",
	"선택자", "실렉터", "라벨을", "애너테이션", "애노테이션",
	"메니페스트", "이메지", "레지스터리", "볼룸", "콘텍스트",
	"백 오프", "백옵", "이니트 컨테이너", "init 컨테이너",
	"17s 전", "낱말이", "본보기", "옛 파드", "포트에서 듣습니다", "8080에서 듣고",
	"작은 세계를", "찾아집니다", "그것이 옳습니다",
}

// TestTable: every wrong form is found, as the row that it belongs to.
func TestTable(t *testing.T) {
	next := 0
	for i, row := range table {
		for _, form := range row.wrong {
			if next >= len(wrong) {
				t.Fatalf("no text for %q of %s", form, row.right)
			}
			text := wrong[next]
			next++
			found := In("앞 (" + text + ") 뒤")
			if len(found) != 1 || found[0].Right != row.right {
				t.Errorf("row %d, %q in %q: %v", i, form, text, found)
			}
		}
	}
	if next != len(wrong) {
		t.Errorf("%d texts for %d forms", len(wrong), next)
	}
}

func TestIn(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"컨트롤 플레인 노드의 레이블, 컴포넌트, 자격 증명, 17초 전", "[]"},
		{"파드가 컨트롤\n노드에, 그리고 라벨", "[{1 컨트롤 노드 컨트롤 플레인 노드} {2 라벨 레이블}]"},
		{"스팟, 트라벨, 아이포드", "[]"}, // within other words
		{"`kubectl get 라벨`, `두\n줄 라벨`\n라벨", "[{3 라벨 레이블}]"},
		{"가\n```\n라벨\n```\n나\n```sh\n라벨\n", "[]"},
		{"열린 ` 하나\n\n라벨", "[{3 라벨 레이블}]"},
		{"파드이(가) 없습니다", "[{1 드이(가) the particle that fits: the word before it is known}]"},
		{"%s이(가) `%s`을(를) {{x}}(으)로 \" + name + \"은(는)", "[]"},
		{"`{{x}}`를, {{x}}이라는", "[{1 }}|를 both particles, such as 이(가): the word before it is computed} {1 }}이라는 both particles, such as 이(가): the word before it is computed}]"},
		{"{{x}}입니다 {{x}}이고 `{{x}}`을(를) {{x}}에서", "[]"},
		{"%s를, %[2]q이라는 (%d)가 %s은(는) %d개, %s이고", "[{1 %s를 both particles, such as 이(가): the word before it is computed} {1 %[2]q이라는 both particles, such as 이(가): the word before it is computed}]"},
		{"", "[]"},
	} {
		if got := fmt.Sprint(In(c.text)); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// TestLint names the file, the line, the wrong word and the right one; what isn't a
// Korean text is left alone.
func TestLint(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	found, err := Lint(fstest.MapFS{
		"a/ko.md":        file("# 제목\n\n라벨\n"),
		"a/lab.yaml":     file("title: {ko: 인증 정보}\n"),
		"b/quiz.yaml":    file("- {ko: 17s 전}\n"),
		"a/files/x.yaml": file("name: 라벨\n"),
	})
	want := `a/ko.md:3: "라벨": write 레이블
a/lab.yaml:1: "인증 정보": write 자격 증명
b/quiz.yaml:1: "17s 전": write 17초 전, not 17s 전`
	if err != nil || found.Error() != want {
		t.Errorf("%v\n%s", err, found.Error())
	}
}

func FuzzIn(f *testing.F) {
	f.Add("라벨 `라벨`\n```\n라벨")
	f.Add("\xff`")
	f.Fuzz(func(t *testing.T, s string) {
		for _, slip := range In(s) {
			if slip.Line < 1 || slip.Found == "" {
				t.Errorf("%q: %v", s, slip)
			}
		}
	})
}
