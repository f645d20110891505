import time,sys,torch
from sciml.core import registry, rng
from sciml.train import *
p=registry.problem("lotka_volterra_hidden")
for key in sys.argv[1:]:
  for draw in range(3):
    s=registry.solver(key); r=s.recipe("tiny"); cfg=DiscoveryConfig(draw=draw)
    t=Discovery.prepare(p,"tiny",cfg); t0=time.time()
    rng.seed_everything(draw)
    m=s.build(p,Spec(r.model,cfg,t.grid,t.statistics)); s.fit(m,t.examples); t1=time.time()-t0
    e=t.examine(s,m); print(key,draw,round(t1,1),{k:float(f"{v:.4g}") for k,v in e.metrics.items()},flush=True)
