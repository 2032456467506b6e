// rows + sizes → readings of ToyNeuralNet in Go, one goroutine. Arguments and output are those of toynn.py.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

type net struct {
	sizes  []int
	x      [][]float64
	target []float64
	rate   float64
	w      [][][]float64
	b      [][]float64
	y, dy  [][][]float64
}

func matrix(rows, columns int) [][]float64 {
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, columns)
	}
	return m
}

func newNet(sizes []int, x [][]float64, target []float64, rate float64, batch int) *net {
	n := &net{sizes: sizes, x: x, target: target, rate: rate}
	n.y = append(n.y, matrix(batch, sizes[0]))
	for l := 0; l+1 < len(sizes); l++ {
		w := matrix(sizes[l+1], sizes[l])
		for o := range w {
			for i := range w[o] {
				w[o][i] = 0.125 * float64((7*o+3*i+l)%11-5)
			}
		}
		n.w = append(n.w, w)
		n.b = append(n.b, make([]float64, sizes[l+1]))
		n.y = append(n.y, matrix(batch, sizes[l+1]))
		n.dy = append(n.dy, matrix(batch, sizes[l+1]))
	}
	return n
}

func (n *net) forward(first, last int) {
	count := last - first
	for r := 0; r < count; r++ {
		copy(n.y[0][r], n.x[first+r])
	}
	for l, w := range n.w {
		for r := 0; r < count; r++ {
			x := n.y[l][r]
			for o, row := range w {
				sum := n.b[l][o]
				for i, weight := range row {
					sum += weight * x[i]
				}
				n.y[l+1][r][o] = 1 / (1 + math.Exp(-sum))
			}
		}
	}
}

func (n *net) train(first, last int) {
	n.forward(first, last)
	count, top := last-first, len(n.w)-1
	for r := 0; r < count; r++ {
		y := n.y[top+1][r][0]
		n.dy[top][r][0] = 2 / float64(count) * (y - n.target[first+r]) * y * (1 - y)
	}
	for l := top; l >= 0; l-- {
		for r := 0; r < count; r++ {
			x, dy := n.y[l][r], n.dy[l][r]
			if l > 0 {
				dx := n.dy[l-1][r]
				for i := range dx {
					dx[i] = 0
				}
				for o, row := range n.w[l] {
					for i, weight := range row {
						dx[i] += dy[o] * weight
					}
				}
				for i := range dx {
					dx[i] *= x[i] * (1 - x[i])
				}
			}
		}
		for r := 0; r < count; r++ {
			x, dy := n.y[l][r], n.dy[l][r]
			for o, row := range n.w[l] {
				step := n.rate * dy[o]
				n.b[l][o] -= step
				for i := range row {
					row[i] -= step * x[i]
				}
			}
		}
	}
}

func measure(step func(first, last int), batch, count int, budget float64) (float64, int) {
	seconds, done := 0.0, 0
	for seconds < budget {
		for first := 0; first < count && seconds < budget; first += batch {
			last := first + batch
			if last > count {
				last = count
			}
			start := time.Now()
			step(first, last)
			seconds += time.Since(start).Seconds()
			done += last - first
		}
	}
	return seconds, done
}

func integers(text string) []int {
	var list []int
	for _, word := range strings.Split(text, ",") {
		value, _ := strconv.Atoi(word)
		list = append(list, value)
	}
	return list
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	var x [][]float64
	var target []float64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var row []float64
		for _, word := range strings.Fields(lines.Text()) {
			value, _ := strconv.ParseFloat(word, 64)
			row = append(row, value)
		}
		x, target = append(x, row[:len(row)-1]), append(target, row[len(row)-1])
	}
	sizes, batches := integers(os.Args[2]), integers(os.Args[3])
	budget, _ := strconv.ParseFloat(os.Args[4], 64)
	limit, _ := strconv.ParseFloat(os.Args[5], 64)
	rate, _ := strconv.ParseFloat(os.Args[6], 64)
	n := newNet(sizes, x, target, rate, len(x))
	if budget == 0 {
		for first := 0; first < len(x); first += batches[0] {
			last := first + batches[0]
			if last > len(x) {
				last = len(x)
			}
			n.train(first, last)
		}
		n.forward(0, len(x))
		for r := range x {
			fmt.Println("output", n.y[len(n.w)][r][0])
		}
		return
	}
	for _, each := range []struct {
		name string
		step func(first, last int)
	}{{"train", n.train}, {"predict", n.forward}} {
		rowSeconds := 0.0
		for _, batch := range batches {
			if rowSeconds*float64(batch) > limit {
				break
			}
			seconds, done := measure(each.step, batch, len(x), budget)
			rowSeconds = seconds / float64(done)
			fmt.Println(each.name, batch, seconds, done)
		}
	}
}
