# A program that is no Python, trained by paretune: a polynomial fitted to noisy points by gradient descent.
#
#     paretune run examples/fit.yaml
#
# Parameters come as arguments (-v), see fit.yaml; metrics leave as JSON lines on descriptor 3.
function noise() { return (rand() + rand() + rand() + rand() - 2) * 0.3 }
function truth(x) { return sin(3 * x) }
function model(x,    power, sum, i) {
    power = 1
    sum = 0
    for (i = 0; i <= degree; i++) { sum += weight[i] * power; power *= x }
    return sum
}
BEGIN {
    metrics = "/dev/fd/3"
    srand(seed)
    for (n = 0; n < 60; n++) { x[n] = 2 * rand() - 1; y[n] = truth(x[n]) + noise() }
    for (step = 1; step <= steps; step++) {
        for (n = 0; n < 40; n++) {
            error = model(x[n]) - y[n]
            power = 1
            for (i = 0; i <= degree; i++) { weight[i] -= rate * error * power / 40; power *= x[n] }
        }
        if (step % 10 == 0 || step == steps) {
            sum = 0
            for (n = 40; n < 60; n++) sum += (model(x[n]) - y[n]) ^ 2
            rmse = sqrt(sum / 20)
            if (rmse > 1e6) {
                print "{\"infeasible\": \"the fit diverged\"}" > metrics
                exit
            }
            printf "{\"step\": %d, \"rmse\": %.6g}\n", step, rmse > metrics
            fflush(metrics)
        }
    }
    # The result: what is not given again, such as rmse, keeps its latest value.
    printf "{\"multiplications\": %d}\n", degree + 1 > metrics
}
