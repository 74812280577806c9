kubectl patch service checkout --type merge -p '{"spec":{"selector":null}}'
pod=$(kubectl get pods -l app=cart -o jsonpath='{.items[0].metadata.name}')
kubectl apply -f - <<END
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: checkout-by-hand
  labels: {kubernetes.io/service-name: checkout}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- addresses: [$(kubectl get pod "$pod" -o jsonpath='{.status.podIP}')]
  conditions: {ready: true}
  targetRef: {kind: Pod, name: $pod, namespace: $LAB_NAMESPACE}
END
