package lang

import "testing"

func TestParticles(t *testing.T) {
	for in, want := range map[string]string{
		"파드이(가) 없습니다":               "파드가 없습니다",
		"이미지을(를) 받음, 노드은(는)":        "이미지를 받음, 노드는",
		"주소 10.77.0.11와(과) 다릅니다":    "주소 10.77.0.11과 다릅니다",
		"주소는 10.244.1.4(으)로":        "주소는 10.244.1.4로",
		"주소는 10.244.1.3(으)로":        "주소는 10.244.1.3으로",
		"포트 30081(으)로":              "포트 30081로",
		"`green`(이)라는 낱말":           "`green`이라는 낱말",
		"`blue`(이)라는 낱말":            "`blue`라는 낱말",
		"컨테이너 web, writer이(가)":      "컨테이너 web, writer가",
		"**willow**을(를) 적음":         "**willow**를 적음",
		"team=green(으)로":            "team=green으로",
		"team=teal(으)로":             "team=teal로",
		"app=web을(를) 가진":            "app=web을 가진",
		"shop이(가) 없습니다":             "shop이(가) 없습니다", // 숍? 쇼프?
		"nginx:1.26은(는)":            "nginx:1.26은",
		"(이)가":                      "(이)가",
		"함수(으)를":                    "함수(으)를",
		"이(가)":                      "이(가)",
		"":                          "",
		"파드가 (hello) 있고 값이(가) 다릅니다": "파드가 (hello) 있고 값이 다릅니다",
	} {
		if got := Particles(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzParticles(f *testing.F) {
	f.Add("파드이(가)")
	f.Add("\xff(으)로")
	f.Fuzz(func(t *testing.T, s string) {
		if once := Particles(s); Particles(once) != once {
			t.Errorf("%q changes again", once)
		}
	})
}
