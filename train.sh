cd /tmp/files
r() { n=$1; shift; [ -f runs/$n/record.json ] || /work/scripts/slot sciml run "$@" --out runs/$n > log.$n 2>&1; echo "$n rc $?" >> train.done; }
r sw_lin shallow_water --solver linear --preset tiny
r sw_fno shallow_water --solver fno --preset tiny --set train.steps=50 --set 'task.strides=[2]'
r st_kr stirred_ignition --solver kernel_ridge --preset tiny
r do_gru damped_oscillators --solver gru --preset tiny --set train.steps=100
r do_lat damped_oscillators --solver latent_ode --preset tiny --set train.steps=60
r den_cnf densities --solver cnf --preset tiny --set train.steps=60
r den_kde densities --solver kde --preset tiny
r dig_sde digits --solver sde_net --preset tiny --set train.steps=20
r st_gp stirred_ignition --solver gaussian_process --preset tiny
r bo_kr borehole --solver kernel_ridge_rows --preset tiny
r lv_lin lotka_volterra --solver linear_ode --preset tiny
