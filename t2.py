import time,sys, torch, numpy as np
from sciml.core import registry, rng
from sciml.core.problem import ObservationPlan
from sciml.solvers.discovery._upinn import *
p=registry.problem("lotka_volterra_hidden")
def run(plan, seed, **kw):
    seen=p.observations(plan, rng.generator(seed,"obs"))
    m=UPINN(p,UPINNConfig(**kw),seen,seed); t0=time.time(); l=train(m)
    dense=torch.stack([torch.linspace(0,3,151).double()[:,None]]*len(seen))
    with torch.no_grad():
        pl=Places(p,dense,m.scales,bends=False)
        s,_,inp=m.at(pl); F=m.term(inp)
    true=torch.stack([p.reference(k,dense[k]) for k in range(len(seen))]); H=torch.stack([p.hidden(dense[k][:,0],true[k]) for k in range(len(seen))])
    rel=lambda a:[round(100*float((a[...,c]-H[...,c]).norm()/H[...,c].norm()),2) for c in range(2)]
    d,e=m.losses()
    print(kw,seed,"loss",l,"data",d.tolist(),"phys",e.tolist(),"mean",rel(F.mean(0)),"members",[rel(f) for f in F],"state",float((s.mean(0)-true).norm()/true.norm()),round(time.time()-t0,1),flush=True)
for w in [float(a) for a in sys.argv[2:]]:
    for seed in range(int(sys.argv[1])):
        run(ObservationPlan(3,10,.005),seed,data_weight=w)
