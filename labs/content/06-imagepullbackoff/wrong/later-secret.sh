nori ssh node1 -- 'cat >> /etc/containerd/certs.d/registry.noriter.test:5443/hosts.toml' <<END
  [host."https://registry.noriter.test:5443".header]
    Authorization = "Basic $(printf learner:playground | base64)"
END
kubectl delete pod -l app=menu
kubectl rollout status deploy/menu --timeout=60s
kubectl create secret docker-registry team --docker-server=registry.noriter.test:5443 \
  --docker-username=learner --docker-password=playground
kubectl patch deploy menu -p '{"spec":{"template":{"spec":{"imagePullSecrets":[{"name":"team"}]}}}}'
