# Recall against rate, from the points of curve.sh: gnuplot -e "dir='...'; picture='...'" curve.gp
set terminal svg size 800,500 dynamic background rgb 'white' font 'sans-serif,14'
set output picture
set title "1,024 addresses × 5 ports; each /24 passes 200 SYN/s and drops the rest" font ',15'
set xlabel 'ports done a second, from the first SYN to the last'
set ylabel 'open ports found, %'
set logscale x 2
set xrange [40:20000]
set xtics (50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)
set yrange [0:105]
set grid ytics lt 1 lc rgb '#dddddd'
set border 3
set tics nomirror
set key at graph 0.98, 0.80 right
set arrow from 800, 0 to 800, 105 nohead dt 2 lc rgb '#888888'
set label 'all that gets through' at 830, 4 tc rgb '#666666'
# naabu and RustScan have points where they were found.
have(tool) = system("test -s '".dir."/".tool."' && echo 1") eq '1'
naabu = have('naabu') ? dir.'/naabu' : '/dev/null'
rustscan = have('rustscan') ? dir.'/rustscan' : '/dev/null'
plot dir.'/masscan' using 1:2 with linespoints lw 2 pt 5 ps 0.8 lc rgb '#d95f02' title 'masscan --rate', \
     '' using 1:2:3 with labels offset 0.5,1 font ',10' tc rgb '#d95f02' notitle, \
     dir.'/nmap' using 1:2 with linespoints lw 2 pt 9 ps 0.9 lc rgb '#7570b3' title 'nmap --min-rate --max-rate', \
     '' using 1:2:3 with labels offset 0,-1 font ',10' tc rgb '#7570b3' notitle, \
     dir.'/portolan' using 1:2 with points pt 7 ps 0.9 lc rgb '#1b9e77' title 'portolan --max-rate', \
     dir.'/own' using 1:2 with points pt 6 ps 1.6 lw 2 lc rgb '#1b9e77' title 'portolan, its own rate', \
     naabu using 1:2 with linespoints lw 2 pt 13 ps 0.9 lc rgb '#e7298a' title (have('naabu') ? 'naabu -rate' : ''), \
     '' using 1:2:3 with labels offset 0.5,1 font ',10' tc rgb '#e7298a' notitle, \
     rustscan using 1:2 with linespoints lw 2 pt 11 ps 0.9 lc rgb '#a6761d' title (have('rustscan') ? 'RustScan -b' : ''), \
     '' using 1:2:3 with labels offset 0,-1 font ',10' tc rgb '#a6761d' notitle
