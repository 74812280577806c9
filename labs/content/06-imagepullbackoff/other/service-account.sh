cat > config.json <<END
{"auths": {"https://registry.noriter.test:5443": {"username": "learner", "password": "playground"}}}
END
kubectl create secret generic team --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=config.json
kubectl patch serviceaccount default -p '{"imagePullSecrets":[{"name":"team"}]}'
kubectl delete pod -l app=menu --wait=false
