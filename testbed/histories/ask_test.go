package histories

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"sigs.k8s.io/yaml"

	"noriter.dev/noriter/provision/netns"
)

// keys open the testbed to whoever looks at it.
type keys struct {
	// of says when the testbed was declared whose keys they are.
	of     time.Time
	subnet string
	ssh    ssh.Signer
	client *http.Client
	server string
}

// learn reads the keys of a testbed that is whole.
func (w *world) learn() error {
	s, ok := w.state()
	if !ok {
		return fmt.Errorf("state.json can't be read")
	}
	k := keys{of: s.Created, subnet: s.Subnet}
	pem, err := os.ReadFile(w.file("ssh", "id_ed25519"))
	if err != nil {
		return err
	}
	if k.ssh, err = ssh.ParsePrivateKey(pem); err != nil {
		return err
	}
	var c kubeconfig
	b, err := os.ReadFile(w.file("pki", "admin.conf"))
	if err == nil {
		err = yaml.Unmarshal(b, &c)
	}
	if err != nil || len(c.Clusters) == 0 || len(c.Users) == 0 {
		return fmt.Errorf("admin.conf: %w", err)
	}
	pair, err := tls.X509KeyPair(c.Users[0].User.Certificate, c.Users[0].User.Key)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.Clusters[0].Cluster.CA)
	k.server = c.Clusters[0].Cluster.Server
	k.client = &http.Client{Timeout: 6 * time.Second, Transport: &http.Transport{
		DialContext: w.dial, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
	}}
	w.keys = k
	return nil
}

type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		} `json:"user"`
	} `json:"users"`
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.bed.isolated {
		return netns.Dial(ctx, name, network, address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// units are what runs on a machine.
func units(machine string) string {
	if machine == "control" {
		return "containerd nori-etcd nori-apiserver nori-scheduler nori-controllers nori-agent nori-proxy nori-registry"
	}
	return "containerd nori-agent nori-proxy"
}

// askUnits asks a machine by SSH.
func (w *world) askUnits(machine string) (answers, bad string) {
	out, err := w.ssh(machine, "systemctl is-active "+units(machine)+" || true")
	if err != nil {
		return err.Error(), ""
	}
	all, words := strings.Fields(units(machine)), strings.Fields(out)
	if len(words) != len(all) {
		return "ok", out // systemd itself does not answer any more
	}
	for i, word := range words {
		if word != "active" {
			bad += all[i] + " " + word + " "
		}
	}
	return "ok", bad
}

func (w *world) address(machine string) string {
	base, _, _ := strings.Cut(w.keys.subnet, "/")
	base = base[:strings.LastIndex(base, ".")+1]
	n, _ := strconv.Atoi(strings.TrimPrefix(machine, "node"))
	return base + strconv.Itoa(10+n)
}

// ssh runs a line on a machine.
func (w *world) ssh(machine, line string) (string, error) {
	if w.keys.ssh == nil {
		return "", fmt.Errorf("there never was a cluster")
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.slow(2*time.Second))
	defer cancel()
	conn, err := w.dial(ctx, "tcp", net.JoinHostPort(w.address(machine), "22"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(w.slow(6 * time.Second))) // a connection has deadlines
	c, chans, reqs, err := ssh.NewClientConn(conn, "", &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(w.keys.ssh)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return "", err
	}
	client := ssh.NewClient(c, chans, reqs)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.CombinedOutput(line)
	return string(out), err
}

// slow is a limit for what is asked of machines that may be emulated.
func (w *world) slow(d time.Duration) time.Duration {
	if w.bed.driver == "libvirt" {
		return 3 * d
	}
	return d
}

// ask asks the API server.
func (w *world) ask(method, path, body string) ([]byte, error) {
	if w.keys.client == nil {
		return nil, fmt.Errorf("there never was a cluster")
	}
	req, err := http.NewRequest(method, w.keys.server+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.keys.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %.200s", method, path, resp.Status, b)
	}
	return b, err
}

// askAPI asks whether the API server is ready, and for its nodes.
func (w *world) askAPI() (api string, ready map[string]bool) {
	ready = map[string]bool{}
	if _, err := w.ask("GET", "/readyz", ""); err != nil {
		return err.Error(), ready
	}
	b, err := w.ask("GET", "/api/v1/nodes", "")
	if err != nil {
		return err.Error(), ready
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return err.Error(), ready
	}
	for _, n := range list.Items {
		for _, c := range n.Status.Conditions {
			if c.Type == "Ready" {
				ready[n.Metadata.Name] = c.Status == "True"
			}
		}
	}
	return "ok", ready
}
